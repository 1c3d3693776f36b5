// The load generator of the benchmarks: one thread, epoll, OpenSSL; MQTT 3.1.1 QoS 1 over mutual TLS 1.3.
// It takes a folder of device certificates and a payload, and gives JSON lines: {"event":"warming"} when the load is
// running; after a line on stdin {"event":"measuring"}, --seconds later {"event":"measured"} (so that a watcher can read the
// server's CPU time at both), then the result.
//   publish: every connection keeps --window messages in flight, each message a new (boot, seq)
//   connect: --connections at a time connect (handshake, CONNECT, CONNACK) and leave again; --resume: with a TLS session ticket
//   hold:    --connections are opened and held until stdin ends
#include "connection.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EVENTS = 512, OPENING_MAX = 64 }; // at most 64 handshakes at a time: listen backlogs are small

static struct options {
  const char *mode, *ca, *devices, *payload;
  unsigned connections, boot_at, seq_at, wall_at;
  double seconds;
} options = { .connections = 1, .seconds = 5 };
static struct load load = { .host = "127.0.0.1", .name = "localhost", .window = 1, .keepalive_seconds = 300 };
static struct connection *connections;
static struct device *devices;

static const struct option names[] = {
  { "mode", 1, 0, 'm' }, { "host", 1, 0, 'h' }, { "port", 1, 0, 'p' }, { "name", 1, 0, 'n' }, { "ca", 1, 0, 'a' },
  { "devices", 1, 0, 'd' }, { "connections", 1, 0, 'c' }, { "window", 1, 0, 'w' }, { "payload", 1, 0, 'l' },
  { "boot-at", 1, 0, 'b' }, { "seq-at", 1, 0, 'q' }, { "wall-at", 1, 0, 't' }, { "seconds", 1, 0, 's' },
  { "resume", 0, 0, 'r' }, { 0, 0, 0, 0 }
};

static void parse_options(int argc, char **argv) {
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
    switch (name) {
      case 'm': options.mode = optarg; break;
      case 'h': load.host = optarg; break;
      case 'p': load.port = optarg; break;
      case 'n': load.name = optarg; break;
      case 'a': options.ca = optarg; break;
      case 'd': options.devices = optarg; break;
      case 'c': options.connections = number; break;
      case 'w': load.window = number; break;
      case 'l': options.payload = optarg; break;
      case 'b': options.boot_at = number; break;
      case 'q': options.seq_at = number; break;
      case 't': options.wall_at = number; break;
      case 's': options.seconds = strtod(optarg, NULL); break;
      case 'r': load.resume = true; break;
      default: exit(2); // getopt has said why
    }
  }
  if (!options.mode || !load.port || !options.ca || !options.devices) fail("--mode, --port, --ca and --devices are needed");
  if (load.window < 1 || load.window > WINDOW_MAX) fail("--window must be 1 to %d", WINDOW_MAX);
}

static void read_payload(void) {
  uint8_t bytes[65536];
  FILE *file = options.payload ? fopen(options.payload, "rb") : NULL;
  if (!file) fail("--payload: cannot read %s", options.payload ? options.payload : "(not given)");
  unsigned length = (unsigned)fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  make_template(&load.template, bytes, length, options.boot_at, options.seq_at, options.wall_at);
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  struct device *device = SSL_get_app_data(ssl);
  if (!load.resume) return 0;
  if (device->session) SSL_SESSION_free(device->session);
  device->session = session;
  return 1; // we own it now
}

static void make_context(void) {
  load.context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(load.context, TLS1_3_VERSION);
  if (SSL_CTX_load_verify_locations(load.context, options.ca, NULL) != 1) fail("cannot read the CA file %s", options.ca);
  SSL_CTX_set_verify(load.context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_read_ahead(load.context, 1);
  SSL_CTX_set_session_cache_mode(load.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(load.context, keep_session);
}

// Serves events for up to `wait_ms`; returns false when stdin has something to say, a line or its end.
static bool turn(int wait_ms) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(load.epoll, events, EVENTS, wait_ms);
  bool told = false;
  if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    if (events[i].data.ptr) continue_connection(&load, events[i].data.ptr);
    else told = true;
  }
  return !told;
}

static void listen_to_stdin(int operation) {
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
  if (epoll_ctl(load.epoll, operation, STDIN_FILENO, &event)) fail("stdin must be a pipe or a terminal");
}

static void open_all(void) {
  unsigned opened = 0, ready = 0;
  while (ready < options.connections) {
    for (; opened < options.connections && opened - ready < OPENING_MAX; opened++) open_connection(&load, &connections[opened], &devices[opened]);
    turn(1000);
    ready = 0;
    for (unsigned i = 0; i < opened; i++) ready += connections[i].state == READY;
    if (load.totals.closed) fail("connections were lost before the load began");
  }
}

static void say(const char *event) {
  printf("{\"event\":\"%s\"}\n", event);
  fflush(stdout);
}

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

// Runs `step` until told to measure, then through the window; returns how far `*counter` rose in it, and its true length.
static uint64_t measure(bool (*step)(void), const uint64_t *counter, double *seconds, double *cpu) {
  listen_to_stdin(EPOLL_CTL_ADD);
  say("warming");
  while (step()) {}
  listen_to_stdin(EPOLL_CTL_DEL);
  say("measuring");
  load.measuring = true;
  uint64_t start = now_us(), before = *counter;
  double cpu_before = cpu_seconds();
  uint64_t end = start + (uint64_t)(options.seconds * 1e6);
  while (now_us() < end) step();
  load.measuring = false;
  *seconds = (double)(now_us() - start) / 1e6;
  *cpu = (cpu_seconds() - cpu_before) / *seconds;
  uint64_t counted = *counter - before;
  say("measured");
  return counted;
}

static bool publish_step(void) { return turn(100); }

static void publish(void) {
  double seconds, cpu;
  read_payload();
  open_all();
  load.publishing = true;
  for (unsigned i = 0; i < options.connections; i++) fill_window(&load, &connections[i]);
  uint64_t acknowledged = measure(publish_step, &load.totals.acknowledged, &seconds, &cpu);
  load.publishing = false;
  for (uint64_t end = now_us() + 10000000; load.totals.acknowledged < load.totals.sent && now_us() < end;) turn(100);
  const struct histogram *h = &load.totals.latency_us;
  printf("{\"event\":\"result\",\"messages\":%lu,\"seconds\":%.6f,\"generatorCpu\":%.3f,\"sentTotal\":%lu,\"acknowledgedTotal\":%lu,"
         "\"misordered\":%lu,\"closed\":%lu,\"latencyUs\":{\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"max\":%lu}}\n",
         acknowledged, seconds, cpu, load.totals.sent, load.totals.acknowledged, load.totals.misordered, load.totals.closed,
         histogram_quantile(h, .5), histogram_quantile(h, .9), histogram_quantile(h, .99), h->max);
}

static uint64_t connects;

// Every connection that has its CONNACK leaves politely, and the next device takes its place.
static bool connect_step(void) {
  static const uint8_t disconnect[] = { 0xe0, 0 };
  static unsigned next;
  bool going_on = turn(100);
  for (unsigned i = 0; i < options.connections; i++) {
    struct connection *c = &connections[i];
    if (c->state == READY) {
      connects++;
      SSL_write(c->ssl, disconnect, sizeof disconnect);
      SSL_shutdown(c->ssl);
      fill_window(&load, c); // flushes
      close_connection(c);
    }
    if (c->state != CLOSED) continue;
    unsigned i_device = next++ % (options.connections * 4);
    open_connection(&load, c, &devices[i_device]);
  }
  return going_on;
}

static void connect_and_leave(void) {
  double seconds, cpu;
  for (unsigned i = 0; i < options.connections; i++) connections[i] = (struct connection){ .fd = -1, .state = CLOSED };
  uint64_t counted = measure(connect_step, &connects, &seconds, &cpu);
  printf("{\"event\":\"result\",\"connects\":%lu,\"seconds\":%.6f,\"generatorCpu\":%.3f,\"resumed\":%lu,\"closed\":%lu}\n",
         counted, seconds, cpu, load.totals.resumed, load.totals.closed);
}

static void hold(void) {
  open_all();
  listen_to_stdin(EPOLL_CTL_ADD);
  say("holding");
  while (turn(1000)) {}
  printf("{\"event\":\"result\",\"connections\":%u,\"closed\":%lu}\n", options.connections, load.totals.closed);
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  bool connecting = !strcmp(options.mode, "connect");
  make_context();
  load.epoll = epoll_create1(EPOLL_CLOEXEC);
  connections = calloc(options.connections, sizeof *connections);
  devices = load_devices(options.devices, options.connections * (connecting ? 4 : 1));
  if (connecting) connect_and_leave();
  else if (!strcmp(options.mode, "publish")) publish();
  else if (!strcmp(options.mode, "hold")) hold();
  else fail("--mode must be publish, connect or hold");
  return 0;
}
