// The devices a load is made of: every <id>.crt (chain) with its <id>.key in a folder, in the order of their names.
#ifndef DEVICE_H
#define DEVICE_H
#include <openssl/ssl.h>

enum { ID_LENGTH = 36 }; // UUID text

struct device {
  char id[ID_LENGTH + 1];
  X509 *certificate;
  STACK_OF(X509) *chain;
  EVP_PKEY *key;
  SSL_SESSION *session; // the newest ticket, for resumption; NULL = none yet
};

// Prints to stderr what is wrong and ends the process with 2.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Loads exactly `count` devices; fails when the folder holds fewer.
struct device *load_devices(const char *folder, unsigned count);
#endif
