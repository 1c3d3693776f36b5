// One MQTT 3.1.1 connection over TLS 1.3: handshake, CONNECT, publishes in flight, acknowledgements.
// Records are sealed one per packet, as devices do, and leave together in one write() so that the generator is never the limit.
#ifndef CONNECTION_H
#define CONNECTION_H
#include "device.h"
#include "histogram.h"
#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_MAX = 64 };
enum state { HANDSHAKE, CONNACK, READY, CLOSED };

struct connection {
  struct device *device;
  SSL *ssl;
  BIO *out; // sealed records on their way to the socket
  int fd;
  enum state state;
  bool writing; // the socket was full: EPOLLOUT is asked for
  uint8_t packet[4]; // CONNACK and PUBACK are both four bytes long
  unsigned packet_length;
  uint32_t seq;
  uint64_t boot;
  unsigned in_flight;
  uint16_t oldest_id, next_id; // acknowledgements must come in order (MQTT-4.6.0-2)
  uint64_t sent_at_us[WINDOW_MAX];
};

// The PUBLISH all messages are made from; offsets count from the start of `bytes`, 0 = do not patch.
struct template {
  uint8_t bytes[65536 + 256];
  unsigned length, topic_id_at, packet_id_at, boot_at, seq_at, wall_at;
};

struct totals {
  uint64_t sent, acknowledged, misordered, closed, resumed;
  struct histogram latency_us;
};

struct load {
  int epoll;
  SSL_CTX *context;
  struct template template;
  unsigned window, keepalive_seconds;
  bool resume, publishing, measuring;
  struct totals totals;
  const char *host, *name, *port;
};

uint64_t now_us(void);
void open_connection(struct load *load, struct connection *connection, struct device *device);
// Goes on with a connection after an epoll event; its state tells what has become of it.
void continue_connection(struct load *load, struct connection *connection);
// Publishes until the window is full.
void fill_window(struct load *load, struct connection *connection);
void close_connection(struct connection *connection);
// With the placeholder id; `payload` offsets may be 0.
void make_template(struct template *template, const uint8_t *payload, unsigned length, unsigned boot_at, unsigned seq_at, unsigned wall_at);
#endif
