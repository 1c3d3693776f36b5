// Reads device certificates and keys once, before anything is measured.
#include "device.h"
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  ERR_print_errors_fp(stderr);
  exit(2);
}

static FILE *open_pem(const char *folder, const char *id, const char *suffix) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.%s", folder, id, suffix);
  FILE *file = fopen(path, "r");
  if (!file) fail("cannot read %s", path);
  return file;
}

static void load_device(struct device *device, const char *folder, const char *id) {
  memcpy(device->id, id, ID_LENGTH);
  FILE *file = open_pem(folder, device->id, "crt");
  device->certificate = PEM_read_X509(file, NULL, NULL, NULL);
  device->chain = sk_X509_new_null();
  for (X509 *issuer; (issuer = PEM_read_X509(file, NULL, NULL, NULL));) sk_X509_push(device->chain, issuer);
  ERR_clear_error(); // the end of the file is reported as an error
  fclose(file);
  file = open_pem(folder, device->id, "key");
  device->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  fclose(file);
  if (!device->certificate || !device->key) fail("%s/%s: bad certificate or key", folder, device->id);
}

static int is_certificate(const struct dirent *entry) {
  size_t length = strlen(entry->d_name);
  return length == ID_LENGTH + 4 && !strcmp(entry->d_name + ID_LENGTH, ".crt");
}

struct device *load_devices(const char *folder, unsigned count) {
  struct dirent **entries;
  int found = scandir(folder, &entries, is_certificate, alphasort);
  if (found < 0) fail("cannot read the folder %s", folder);
  if ((unsigned)found < count) fail("%s holds %d devices, %u are needed", folder, found, count);
  struct device *devices = calloc(count, sizeof *devices);
  if (!devices) fail("out of memory");
  for (unsigned i = 0; i < count; i++) load_device(&devices[i], folder, entries[i]->d_name);
  return devices;
}
