// Latencies in microseconds, kept as counts: 32 steps to every power of two, so any quantile is exact to about 3 %.
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>

enum { STEPS = 32, BUCKETS = 64 * STEPS };

struct histogram {
  uint64_t count[BUCKETS];
  uint64_t total, max;
};

static inline unsigned histogram_bucket(uint64_t us) {
  if (us < STEPS) return (unsigned)us;
  unsigned power = 63 - (unsigned)__builtin_clzll(us); // 5 or more
  return (power - 4) * STEPS + (unsigned)((us >> (power - 5)) & (STEPS - 1));
}

static inline void histogram_add(struct histogram *h, uint64_t us) {
  h->count[histogram_bucket(us)]++;
  h->total++;
  if (us > h->max) h->max = us;
}

// The smallest bucket start at or below which the given share (0..1) of all values lies.
static inline uint64_t histogram_quantile(const struct histogram *h, double share) {
  uint64_t wanted = (uint64_t)((double)h->total * share), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += h->count[i];
    if (seen > wanted) return i < STEPS ? i : ((uint64_t)STEPS + i % STEPS) << (i / STEPS - 1);
  }
  return h->max;
}
#endif
