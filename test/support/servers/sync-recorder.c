/*
 * Preloaded into a server under test: keeps, in the folder named by SYNC_RECORD, a copy of every file below the folder
 * named by SYNC_WATCH as it was when its last fsync or fdatasync was asked for. Those copies are what a power cut
 * leaves behind in the worst case the disk may choose. A file that was removed or renamed is so only once its folder
 * has been synced.
 *
 * A copy is read through the caller's own descriptor: opening a database anew and closing it would drop the locks that
 * the process holds on it. Only a file open for nothing but writing is opened by its name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Removals and renames that no sync of a folder has made certain yet; `to` is empty for a removal. */
struct change {
  struct change *next;
  char from[NAME_MAX + 1], to[NAME_MAX + 1];
};
static struct change *changes, **last_change = &changes;

/* The path below the watched folder, '/' written as '%'; 0 for any other path. The folder itself is the empty name. */
static int name_of(const char *path, char *name, size_t size) {
  const char *watch = getenv("SYNC_WATCH");
  if (watch == NULL || getenv("SYNC_RECORD") == NULL) return 0;
  size_t prefix = strlen(watch);
  if (strncmp(path, watch, prefix) != 0 || (path[prefix] != '/' && path[prefix] != 0)) return 0;
  snprintf(name, size, "%s", path[prefix] == 0 ? "" : path + prefix + 1);
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '%';
  return 1;
}

static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return 1;
}

static void recorded(const char *name, const char *mark, char *path, size_t size) {
  snprintf(path, size, "%s/%s%s", getenv("SYNC_RECORD"), mark, name);
}

static int copy_to(int from, const char *path) {
  int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (out < 0) return -1;
  char buffer[65536];
  off_t at = 0;
  ssize_t got;
  while ((got = pread(from, buffer, sizeof buffer, at)) > 0) {
    if (write(out, buffer, got) != got) got = -1;
    if (got < 0) break;
    at += got;
  }
  close(out);
  return got < 0 ? -1 : 0;
}

static int copy_file(int fd, const char *source, const char *target) {
  if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY) return copy_to(fd, target);
  int readable = open(source, O_RDONLY);
  if (readable < 0) return -1;
  int result = copy_to(readable, target);
  close(readable);
  return result;
}

static void add_change(const char *from, const char *to) {
  struct change *change = calloc(1, sizeof *change);
  if (change == NULL) abort();
  snprintf(change->from, sizeof change->from, "%s", from);
  snprintf(change->to, sizeof change->to, "%s", to);
  *last_change = change;
  last_change = &change->next;
}

static void apply_changes(void) {
  int (*real_rename)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  int (*real_unlink)(const char *) = dlsym(RTLD_NEXT, "unlink");
  char from[PATH_MAX], to[PATH_MAX];
  while (changes != NULL) {
    struct change *change = changes;
    changes = change->next;
    recorded(change->from, "", from, sizeof from);
    recorded(change->to, "", to, sizeof to);
    if (change->to[0] == 0) real_unlink(from);
    else real_rename(from, to);
    free(change);
  }
  last_change = &changes;
}

static int record(int fd, const char *symbol) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, symbol);
  int (*real_rename)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  char source[PATH_MAX], name[NAME_MAX + 1], fresh[PATH_MAX], kept[PATH_MAX];
  struct stat info;
  if (!path_of(fd, source, sizeof source) || !name_of(source, name, sizeof name) || fstat(fd, &info) != 0)
    return real(fd);
  pthread_mutex_lock(&lock);
  int result;
  if (S_ISDIR(info.st_mode)) {
    result = real(fd);
    if (result == 0) apply_changes();
  } else {
    recorded(name, ".fresh-", fresh, sizeof fresh);
    recorded(name, "", kept, sizeof kept);
    int copied = copy_file(fd, source, fresh);
    result = real(fd);
    if (result == 0 && copied == 0) real_rename(fresh, kept);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return record(fd, "fsync"); }
int fdatasync(int fd) { return record(fd, "fdatasync"); }

int unlink(const char *path) {
  int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
  char name[NAME_MAX + 1];
  int result = real(path);
  if (result == 0 && name_of(path, name, sizeof name)) {
    pthread_mutex_lock(&lock);
    add_change(name, "");
    pthread_mutex_unlock(&lock);
  }
  return result;
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  char old_name[NAME_MAX + 1], new_name[NAME_MAX + 1];
  int result = real(from, to);
  if (result == 0 && name_of(from, old_name, sizeof old_name) && name_of(to, new_name, sizeof new_name)) {
    pthread_mutex_lock(&lock);
    add_change(old_name, new_name);
    pthread_mutex_unlock(&lock);
  }
  return result;
}
