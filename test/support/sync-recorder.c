/*
 * Preloaded into a server under test: keeps, in the folder named by SYNC_RECORD, a copy of every file below the folder
 * named by SYNC_WATCH as it was when its last fsync or fdatasync was asked for. Those copies are what a power cut
 * leaves behind in the worst case the disk may choose.
 *
 * The copy is read through the caller's own descriptor: opening the file anew and closing it would drop the locks that
 * the process holds on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The watched file's name below the watched folder, '/' written as '%'; 0 for any other descriptor. */
static int recorded_name(int fd, char *name, size_t size) {
  const char *watch = getenv("SYNC_WATCH");
  if (watch == NULL || getenv("SYNC_RECORD") == NULL) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  size_t prefix = strlen(watch);
  if (strncmp(path, watch, prefix) != 0 || path[prefix] != '/') return 0;
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  snprintf(name, size, "%s", path + prefix + 1);
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '%';
  return 1;
}

static int copy_to(int fd, const char *path) {
  int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (out < 0) return -1;
  char buffer[65536];
  off_t at = 0;
  ssize_t got;
  while ((got = pread(fd, buffer, sizeof buffer, at)) > 0) {
    if (write(out, buffer, got) != got) got = -1;
    if (got < 0) break;
    at += got;
  }
  close(out);
  return got < 0 ? -1 : 0;
}

static int record(int fd, const char *symbol) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, symbol);
  char name[4096];
  if (!recorded_name(fd, name, sizeof name)) return real(fd);
  char fresh[8192], kept[8192];
  const char *folder = getenv("SYNC_RECORD");
  pthread_mutex_lock(&lock);
  snprintf(fresh, sizeof fresh, "%s/.fresh-%s", folder, name);
  snprintf(kept, sizeof kept, "%s/%s", folder, name);
  int copied = copy_to(fd, fresh);
  int result = real(fd);
  if (result == 0 && copied == 0) rename(fresh, kept);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return record(fd, "fsync"); }
int fdatasync(int fd) { return record(fd, "fdatasync"); }
