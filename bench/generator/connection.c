// See connection.h. Reads ahead (one read() for many records), writes gathered records at once, never blocks.
#include "connection.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOST_MAX = 2000 }; // more is a broken server, not a measurement

uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t wall_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME_COARSE, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void put_big_endian(uint8_t *at, uint64_t value, unsigned bytes) {
  while (bytes) at[--bytes] = (uint8_t)value, value >>= 8;
}

void make_template(struct template *t, const uint8_t *payload, unsigned length, unsigned boot_at, unsigned seq_at, unsigned wall_at) {
  static const char topic[] = "v1/00000000-0000-0000-0000-000000000000/telemetry";
  unsigned topic_length = sizeof topic - 1, remaining = 2 + topic_length + 2 + length, at = 0;
  t->bytes[at++] = 0x32; // PUBLISH, QoS 1
  do t->bytes[at++] = (uint8_t)((remaining & 127) | (remaining > 127 ? 128 : 0)); while (remaining >>= 7);
  put_big_endian(t->bytes + at, topic_length, 2);
  memcpy(t->bytes + at + 2, topic, topic_length);
  t->topic_id_at = at + 2 + 3;
  t->packet_id_at = at + 2 + topic_length;
  unsigned payload_at = t->packet_id_at + 2;
  memcpy(t->bytes + payload_at, payload, length);
  t->length = payload_at + length;
  t->boot_at = boot_at ? payload_at + boot_at : 0;
  t->seq_at = seq_at ? payload_at + seq_at : 0;
  t->wall_at = wall_at ? payload_at + wall_at : 0;
}

void close_connection(struct connection *c) {
  if (c->ssl) SSL_free(c->ssl);
  if (c->fd >= 0) close(c->fd);
  c->ssl = NULL, c->fd = -1, c->state = CLOSED;
}

static void lose(struct load *load, struct connection *c, const char *why) {
  if (load->totals.closed++ < 3) { // the first few tell the story
    fprintf(stderr, "load: %s: connection lost (%s)\n", c->device->id, why);
    ERR_print_errors_fp(stderr);
  }
  if (load->totals.closed > LOST_MAX) fail("too many connections lost");
  close_connection(c);
}

static void flush(struct load *load, struct connection *c) {
  char *data;
  long length = BIO_get_mem_data(c->out, &data);
  if (length <= 0) return;
  ssize_t written = send(c->fd, data, (size_t)length, MSG_NOSIGNAL);
  if (written < 0 && errno != EAGAIN) return lose(load, c, strerror(errno));
  if (written == length) (void)BIO_reset(c->out);
  else if (written > 0) {
    char sink[4096];
    for (ssize_t left = written; left > 0;) left -= BIO_read(c->out, sink, left < (ssize_t)sizeof sink ? (int)left : (int)sizeof sink);
  }
  bool blocked = written != length;
  if (blocked == c->writing) return;
  c->writing = blocked;
  struct epoll_event event = { .events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c };
  epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

void open_connection(struct load *load, struct connection *c, struct device *device) {
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *address;
  if (getaddrinfo(load->host, load->port, &hints, &address)) fail("no such host: %s", load->host);
  *c = (struct connection){ .device = device, .next_id = 1, .oldest_id = 1, .seq = 65536 }; // four-byte CBOR from the first message on
  c->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) fail("socket: %s (raise `ulimit -n`?)", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
  if (connect(c->fd, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS) fail("connect: %s", strerror(errno));
  freeaddrinfo(address);
  RAND_bytes((unsigned char *)&c->boot, sizeof c->boot);
  c->boot |= 1ull << 63; // eight-byte CBOR
  c->ssl = SSL_new(load->context);
  c->out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(c->out, -1);
  SSL_set_bio(c->ssl, BIO_new_socket(c->fd, BIO_NOCLOSE), c->out);
  if (SSL_use_cert_and_key(c->ssl, device->certificate, device->key, device->chain, 1) != 1) fail("%s: bad certificate", device->id);
  SSL_set_tlsext_host_name(c->ssl, load->name);
  SSL_set1_host(c->ssl, load->name);
  SSL_set_app_data(c->ssl, device);
  if (load->resume && device->session) { // a copy, for OpenSSL spoils a TLS 1.3 session it has used, and not every server renews it
    SSL_SESSION *copy = SSL_SESSION_dup(device->session);
    SSL_set_session(c->ssl, copy);
    SSL_SESSION_free(copy);
  }
  SSL_set_connect_state(c->ssl);
  struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
  c->writing = true;
  epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void send_connect(struct load *load, struct connection *c) {
  uint8_t packet[14 + ID_LENGTH] = { 0x10, 12 + ID_LENGTH, 0, 4, 'M', 'Q', 'T', 'T', 4, 2 }; // 3.1.1, clean session
  put_big_endian(packet + 10, load->keepalive_seconds, 2);
  put_big_endian(packet + 12, ID_LENGTH, 2);
  memcpy(packet + 14, c->device->id, ID_LENGTH);
  SSL_write(c->ssl, packet, sizeof packet);
  if (load->measuring) load->totals.resumed += (uint64_t)SSL_session_reused(c->ssl);
  c->state = CONNACK;
}

void fill_window(struct load *load, struct connection *c) {
  struct template *t = &load->template;
  uint64_t sent_at_us = now_us(), sent_at_ms = wall_ms();
  while (load->publishing && c->in_flight < load->window) {
    memcpy(t->bytes + t->topic_id_at, c->device->id, ID_LENGTH);
    put_big_endian(t->bytes + t->packet_id_at, c->next_id, 2);
    if (t->boot_at) put_big_endian(t->bytes + t->boot_at, c->boot, 8);
    if (t->seq_at) put_big_endian(t->bytes + t->seq_at, c->seq++, 4);
    if (t->wall_at) put_big_endian(t->bytes + t->wall_at, sent_at_ms, 8);
    if (SSL_write(c->ssl, t->bytes, (int)t->length) != (int)t->length) return lose(load, c, "SSL_write");
    c->sent_at_us[c->next_id % WINDOW_MAX] = sent_at_us;
    c->next_id = c->next_id == 65535 ? 1 : c->next_id + 1;
    c->in_flight++;
    load->totals.sent++;
  }
  flush(load, c);
}

static void take_packet(struct load *load, struct connection *c, uint64_t received_at_us) {
  const uint8_t *p = c->packet;
  if (c->state == CONNACK && p[0] == 0x20 && p[3] == 0) c->state = READY;
  else if (c->state == CONNACK) fail("%s: refused, CONNACK code %u", c->device->id, p[3]);
  else if (p[0] == 0x40 && c->in_flight) {
    uint16_t id = (uint16_t)(p[2] << 8 | p[3]);
    if (id != c->oldest_id) load->totals.misordered++;
    if (load->measuring) histogram_add(&load->totals.latency_us, received_at_us - c->sent_at_us[id % WINDOW_MAX]);
    c->oldest_id = c->oldest_id == 65535 ? 1 : c->oldest_id + 1;
    c->in_flight--;
    load->totals.acknowledged++;
  } else fail("%s: unexpected packet 0x%02x", c->device->id, p[0]);
}

static void read_packets(struct load *load, struct connection *c) {
  uint8_t buffer[16384];
  int length;
  while ((length = SSL_read(c->ssl, buffer, sizeof buffer)) > 0) {
    uint64_t received_at_us = now_us();
    for (int i = 0; i < length; i++) {
      c->packet[c->packet_length++] = buffer[i];
      if (c->packet_length == sizeof c->packet) c->packet_length = 0, take_packet(load, c, received_at_us);
    }
    if (c->state == READY && !c->in_flight && load->publishing) return; // nothing more can come: spare the read that finds nothing
  }
  int reason = SSL_get_error(c->ssl, length);
  if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) lose(load, c, reason == SSL_ERROR_ZERO_RETURN ? "closed by the server" : "TLS");
}

void continue_connection(struct load *load, struct connection *c) {
  if (c->state == CLOSED) return;
  if (c->state == HANDSHAKE) {
    int done = SSL_do_handshake(c->ssl);
    if (done == 1) send_connect(load, c);
    else if (SSL_get_error(c->ssl, done) != SSL_ERROR_WANT_READ) return lose(load, c, "handshake");
    return flush(load, c);
  }
  read_packets(load, c);
  if (c->state == READY) fill_window(load, c);
}
