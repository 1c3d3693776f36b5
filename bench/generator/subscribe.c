// The least a consumer of a broker can do: subscribes to `v1/+/telemetry` at QoS 1 over plain TCP on this machine,
// acknowledges every message and counts. What a real consumer does with a message (decode, store) costs more.
//   subscribe PORT     prints {"event":"subscribed"}, and at the end of stdin {"event":"result","received":N}
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t in[1 << 18], out[1 << 16];
static size_t in_length, out_length;
static uint64_t received;

_Noreturn static void fail(const char *what) {
  perror(what);
  exit(2);
}

static void flush(int fd) {
  for (size_t at = 0; at < out_length;) {
    ssize_t written = write(fd, out + at, out_length - at);
    if (written < 0) fail("subscribe: write");
    at += (size_t)written;
  }
  out_length = 0;
}

static void take_packet(int fd, const uint8_t *body, uint8_t type) {
  if (type == 0x90) puts("{\"event\":\"subscribed\"}"), fflush(stdout); // SUBACK
  if ((type & 0xf0) != 0x30) return;
  received++;
  if (!(type & 6)) return; // QoS 0
  const uint8_t *id = body + 2 + (body[0] << 8 | body[1]);
  memcpy(out + out_length, (uint8_t[]){ 0x40, 2, id[0], id[1] }, 4);
  out_length += 4;
  if (out_length == sizeof out) flush(fd);
}

// Takes every whole packet and keeps the rest for the next read.
static void take_packets(int fd) {
  size_t at = 0;
  for (;;) {
    size_t length = 0, header = 1;
    do {
      if (at + header >= in_length) goto rest;
      length |= (size_t)(in[at + header] & 127) << (7 * (header - 1));
    } while (in[at + header++] & 128);
    if (at + header + length > in_length) break;
    take_packet(fd, in + at + header, in[at]);
    at += header + length;
  }
rest:
  memmove(in, in + at, in_length - at);
  in_length -= at;
  flush(fd);
}

int main(int argc, char **argv) {
  static const uint8_t hello[] = { 0x10, 15, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 3, 's', 'u', 'b' };
  static const uint8_t subscribe[] = { 0x82, 19, 0, 1, 0, 14, 'v', '1', '/', '+', '/', 't', 'e', 'l', 'e', 'm', 'e', 't', 'r', 'y', 1 };
  if (argc != 2) return fputs("usage: subscribe PORT\n", stderr), 2;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("subscribe: connect");
  if (write(fd, hello, sizeof hello) < 0 || write(fd, subscribe, sizeof subscribe) < 0) fail("subscribe: write");
  struct pollfd watched[] = { { .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
  while (poll(watched, 2, -1) > 0 && !watched[1].revents) {
    ssize_t length = read(fd, in + in_length, sizeof in - in_length);
    if (length <= 0) fail("subscribe: read");
    in_length += (size_t)length;
    take_packets(fd);
  }
  printf("{\"event\":\"result\",\"received\":%lu}\n", received);
  return 0;
}
