// Stands in for the kernel in the tool's tests: prints the boot block that it got as JSON, and does what the command
// says. Built at test time; no part of the product.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "../../Sources/CBoot/include/boot.h"

static const char *block;
static const struct martlet_boot *boot;

static const char *text(uint32_t offset) { return offset == 0 ? "" : block + offset; }

static void quoted(FILE *out, const char *string) {
  fputc('"', out);
  for (; *string; string++) {
    if (*string == '"' || *string == '\\') fputc('\\', out);
    if ((unsigned char)*string < 0x20) fprintf(out, "\\u%04x", *string);
    else fputc(*string, out);
  }
  fputc('"', out);
}

static void list(FILE *out, const char *name, uint32_t count, uint32_t offset) {
  fprintf(out, ",\"%s\":[", name);
  const char *next = block + offset;
  for (uint32_t i = 0; i < count; i++, next += strlen(next) + 1) {
    if (i > 0) fputc(',', out);
    quoted(out, next);
  }
  fputc(']', out);
}

static void descriptor_list(FILE *out) {
  fprintf(out, ",\"descriptors\":{");
  DIR *folder = opendir("/proc/self/fd");
  int first = 1;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    int number = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || number == dirfd(folder)) continue;
    char path[64], target[4096] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    ssize_t size = readlink(path, target, sizeof target - 1);
    (void)size;
    fprintf(out, "%s\"%d\":{\"target\":", first ? "" : ",", number);
    quoted(out, target);
    fprintf(out, ",\"flags\":%d,\"seals\":%d}", fcntl(number, F_GETFL), fcntl(number, F_GET_SEALS));
    first = 0;
  }
  closedir(folder);
  fputc('}', out);
}

static void dump(FILE *out) {
#define NUMBER(field) fprintf(out, ",\"" #field "\":%lld", (long long)boot->field)
#define TEXT(field) (fprintf(out, ",\"" #field "\":"), quoted(out, text(boot->field)))
  fprintf(out, "{\"magicIsRight\":%s", boot->magic == MARTLET_BOOT_MAGIC ? "true" : "false");
  NUMBER(size); NUMBER(flags); NUMBER(memory); NUMBER(started); NUMBER(cpus); NUMBER(hook); NUMBER(rootKind);
  NUMBER(rootDescriptor); NUMBER(controlDescriptor); NUMBER(logDescriptor); NUMBER(straceDescriptor);
  NUMBER(symbolsDescriptor); NUMBER(uid); NUMBER(gid); NUMBER(rows); NUMBER(columns); NUMBER(hostUid);
  NUMBER(hostGid); NUMBER(logLevel); NUMBER(tickMicroseconds); NUMBER(kickMicroseconds);
  TEXT(hostname); TEXT(directory); TEXT(filter); TEXT(rootSource);
  list(out, "arguments", boot->argumentCount, boot->arguments);
  list(out, "environment", boot->environmentCount, boot->environment);
  fprintf(out, ",\"mounts\":[");
  const struct martlet_mount *mount = (const void *)(block + boot->mounts);
  for (uint32_t i = 0; i < boot->mountCount; i++) {
    fprintf(out, "%s{\"descriptor\":%d,\"flags\":%u,\"path\":", i ? "," : "", mount[i].descriptor, mount[i].flags);
    quoted(out, text(mount[i].path));
    fprintf(out, ",\"source\":");
    quoted(out, text(mount[i].source));
    fputc('}', out);
  }
  fputc(']', out);
  descriptor_list(out);
  int death = 0;
  prctl(PR_GET_PDEATHSIG, &death);
  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  int blocked = 0, handled = 0;
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    blocked += sigismember(&mask, number) == 1;
    if (sigaction(number, NULL, &action) == 0) handled += action.sa_handler != SIG_DFL;
  }
  struct termios terminal;
  int raw = tcgetattr(0, &terminal) == 0 && !(terminal.c_lflag & (ICANON | ECHO | ISIG));
  fprintf(out, ",\"deathSignal\":%d,\"blocked\":%d,\"handled\":%d,\"raw\":%d}\n", death, blocked, handled, raw);
  fflush(out);
}

// One line for each message from the tool. SIGNAL ends with 128+n, TERMINATE with 143, unless told to be stubborn.
static int serve(FILE *out, int stubborn) {
  struct martlet_message message;
  fprintf(out, "ready\r\n");
  fflush(out);
  while (recv(boot->controlDescriptor, &message, sizeof message, 0) == sizeof message) {
    fprintf(out, "message %u %u %u\r\n", message.kind, message.a, message.b);
    fflush(out);
    if (message.kind == MARTLET_STOP && !stubborn) {
      message.kind = MARTLET_STOPPED;
      send(boot->controlDescriptor, &message, sizeof message, 0);
    }
    if (message.kind == MARTLET_SIGNAL && !stubborn) return 128 + message.a;
    if (message.kind == MARTLET_TERMINATE && !stubborn) return 143;
  }
  return 99;
}

int main(void) {
  const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU};
  struct stat status;
  if (fstat(MARTLET_BOOT_DESCRIPTOR, &status) < 0) return 98;
  block = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, MARTLET_BOOT_DESCRIPTOR, 0);
  if (block == MAP_FAILED) return 98;
  boot = (const void *)block;
  const char *command = boot->argumentCount > 0 ? text(boot->arguments) : "dump";
  const char *argument = boot->argumentCount > 1 ? command + strlen(command) + 1 : "";
  FILE *out = boot->logDescriptor >= 0 ? fdopen(boot->logDescriptor, "a") : stdout;
  if (strcmp(command, "serve") != 0 && strcmp(command, "stubborn") != 0) {
    if (strcmp(command, "exit") == 0) return atoi(argument);
    if (strcmp(command, "kill") == 0) raise(atoi(argument));
    if (strcmp(command, "cat") == 0) {
      char buffer[1 << 16];
      for (ssize_t size; (size = read(0, buffer, sizeof buffer)) > 0;)
        if (write(1, buffer, size) != size) return 1;
      return 0;
    }
    if (strcmp(command, "size") == 0) {
      fstat(boot->rootDescriptor, &status);
      fprintf(out, "%lld\n", (long long)status.st_size);
      fflush(out);
      return 0;
    }
    dump(out);
    return 0;
  }
  for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  return serve(out, strcmp(command, "stubborn") == 0);
}
