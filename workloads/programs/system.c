/*
 * What the kernel charges for its most common services, bounded by the clock.
 *
 *     system call   SECONDS     a system call that does nothing but enter and leave the kernel
 *     system fault  SECONDS     first touch of a page of anonymous memory
 *     system switch SECONDS     round trip of one byte between two processes on the same CPU
 *     system spawn  SECONDS     fork, exec and wait for a program that does nothing
 *     system lookup SECONDS     ask for a file that is not there, in a large directory of the root
 *     system copyup SECONDS     open a file of the root for writing, each for the first time
 *     system slices call|fault|switch|spawn     the same in slices: see slices.h
 *
 * Output: a version line, then "key value unit" lines: how often, the mean, and the best batch.
 * Exit status 2 on bad arguments, 1 when the kernel refuses; the reason is on standard error.
 *
 * call uses getppid: the C library does not cache it, and the kernel has nothing to do for it.
 * fault maps small pages only (MADV_NOHUGEPAGE), so that one touch is one fault in every arm.
 * lookup asks for another name each time, as a search along a path does, so that no cache knows that
 * it is not there; it is bounded, because the kernel remembers each of them.
 * copyup opens files below /usr, none twice (a note in /var/tmp says how far earlier runs came).
 * Where the root is an overlay, that copies them into its writable layer.
 * switch is lmbench's lat_ctx with two processes and no working set (McVoy & Staelin 1996).
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "system"
#include "base.h"
#include "slices.h"

enum { MOST_SECONDS = 3600, LEAST_BATCHES = 4, FAULT_PAGES = 4096 };
enum { LOOKUPS = 500, COPIES = 50, MOST_FILES = 8192, LARGEST_FILE = 65536 };

struct service {
    const char *name;
    uint64_t per_batch;
    void (*batch)(uint64_t count);
    void (*prepare)(void);
    uint64_t most_batches;    /* 0: until the time is over */
    uint64_t per_slice_batch; /* about a millisecond; 0: it is not done in slices */
};

static int to_child[2], to_parent[2];
static pid_t echo;
static char *self;

static void call(uint64_t count)
{
    while (count-- > 0)
        syscall(SYS_getppid);
}

static void fault(uint64_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)count * page;
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        die(1, "mmap", strerror(errno));
    madvise(at, bytes, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses, rightly */
    for (size_t i = 0; i < bytes; i += page)
        ((volatile char *)at)[i] = 1;
    if (munmap(at, bytes) != 0)
        die(1, "munmap", strerror(errno));
}

static void answer(void)
{
    char byte;

    while (read(to_child[0], &byte, 1) == 1)
        if (write(to_parent[1], &byte, 1) != 1)
            break;
    _exit(0);
}

static void one_cpu(void)
{
    cpu_set_t allowed, one;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        die(1, "sched_getaffinity", strerror(errno));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_SET(cpu, &one);
            break;
        }
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        die(1, "sched_setaffinity", strerror(errno));
}

static void start_echo(void)
{
    one_cpu();
    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(to_parent, O_CLOEXEC) != 0)
        die(1, "pipe2", strerror(errno));
    echo = fork();
    if (echo < 0)
        die(1, "fork", strerror(errno));
    if (echo == 0) {
        close(to_child[1]);
        close(to_parent[0]);
        answer();
    }
    close(to_child[0]);
    close(to_parent[1]);
}

static void round_trips(uint64_t count)
{
    char byte = 'x';

    while (count-- > 0)
        if (write(to_child[1], &byte, 1) != 1 || read(to_parent[0], &byte, 1) != 1)
            die(1, "pipe", errno ? strerror(errno) : "the other process ended");
}

static void spawn(uint64_t count)
{
    char *const argv[] = {self, "nothing", NULL};
    char *const environment[] = {NULL};

    while (count-- > 0) {
        pid_t child;
        int status, failed = posix_spawn(&child, self, NULL, NULL, argv, environment);

        if (failed != 0)
            die(1, "posix_spawn", strerror(failed));
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            die(1, "the child", "did not end well");
    }
}

static void lookup(uint64_t count)
{
    static uint64_t number;
    char path[96];

    while (count-- > 0) {
        snprintf(path, sizeof path, "/usr/lib/tarebench-%d-%" PRIu64, (int)getpid(), number++);
        if (access(path, F_OK) == 0 || errno != ENOENT)
            die(1, path, "is there, or cannot be asked for");
    }
}

static char *files[MOST_FILES];
static size_t file_count, next_file;

static int collect(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)place;
    if (type == FTW_F && S_ISREG(status->st_mode) && status->st_nlink == 1 && status->st_size > 0 &&
        status->st_size <= LARGEST_FILE && file_count < MOST_FILES)
        if ((files[file_count++] = strdup(path)) == NULL)
            die(1, "strdup", strerror(errno));
    return 0;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void list_files(void)
{
    static const char note[] = "/var/tmp/tarebench-copied";
    FILE *file = fopen(note, "r");

    if (file != NULL) {
        if (fscanf(file, "%zu", &next_file) != 1)
            die(1, note, "is not a number");
        fclose(file);
    }
    if (nftw("/usr", collect, 32, FTW_PHYS) != 0)
        die(1, "nftw", strerror(errno));
    qsort(files, file_count, sizeof *files, by_name);
}

static void note_files(void)
{
    FILE *file = fopen("/var/tmp/tarebench-copied", "w");

    if (file == NULL || fprintf(file, "%zu\n", next_file) < 0 || fclose(file) != 0)
        die(1, "/var/tmp/tarebench-copied", strerror(errno));
}

static void copy_up(uint64_t count)
{
    while (count-- > 0) {
        int fd;

        if (next_file >= file_count)
            die(1, "copyup", "no files are left");
        fd = open(files[next_file], O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            die(1, files[next_file], strerror(errno));
        close(fd);
        next_file++;
    }
}

static const struct service services[] = {
    {"call", 100000, call, NULL, 0, 5000},
    {"fault", FAULT_PAGES, fault, NULL, 0, FAULT_PAGES},
    {"switch", 2000, round_trips, start_echo, 0, 200},
    {"spawn", 10, spawn, NULL, 0, 2},
    {"lookup", LOOKUPS, lookup, NULL, 20, 0},
    {"copyup", COPIES, copy_up, list_files, 8, 0},
};

static void measure(const struct service *service, uint64_t seconds)
{
    uint64_t batches = 0, total_ns = 0, best_ns = UINT64_MAX;

    if (service->prepare != NULL)
        service->prepare();
    service->batch(service->per_batch); /* a first one that does not count: caches, page tables */
    while ((total_ns < seconds * second_ns || batches < LEAST_BATCHES) &&
           (service->most_batches == 0 || batches < service->most_batches)) {
        uint64_t begun = now_ns(), spent;

        service->batch(service->per_batch);
        spent = now_ns() - begun;
        total_ns += spent;
        batches++;
        if (spent < best_ns)
            best_ns = spent;
    }
    if (next_file > 0)
        note_files();
    printf("tarebench-system 1\n");
    printf("count %" PRIu64 " 1\n", batches * service->per_batch);
    printf("mean %.3f ns\n", (double)total_ns / (double)(batches * service->per_batch));
    printf("best %.3f ns\n", (double)best_ns / (double)service->per_batch);
}

static void measure_slices(const struct service *service)
{
    const uint64_t batch = service->per_slice_batch;
    struct slice slice;

    if (batch == 0)
        die(2, service->name, "is not done in slices");
    if (service->prepare != NULL)
        service->prepare();
    service->batch(batch);
    slices_ready();
    while (slices_next(&slice)) {
        uint64_t best_ns = UINT64_MAX, batches = 0, begin = now_ns(), last, now;

        while (now_ns() - begin < slice.lead_ns)
            service->batch(batch);
        begin = last = now_ns();
        do {
            service->batch(batch);
            now = now_ns();
            if (now - last < best_ns)
                best_ns = now - last;
            last = now;
            batches++;
        } while (now - begin < slice.span_ns);
        printf("ns=%" PRIu64 " count=%" PRIu64 " best_ns=%" PRIu64 " batch=%" PRIu64, now - begin,
               batches * batch, best_ns, batch);
        slices_answered();
    }
}

int main(int argc, char **argv)
{
    char *end;
    unsigned long seconds;

    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    if (argc != 3)
        die(2, "usage", "system call|fault|switch|spawn|lookup|copyup SECONDS");
    self = "/proc/self/exe";
    if (strcmp(argv[1], "slices") == 0) {
        for (size_t i = 0; i < sizeof services / sizeof *services; i++)
            if (strcmp(argv[2], services[i].name) == 0) {
                measure_slices(&services[i]);
                return 0;
            }
        die(2, argv[2], "no such service");
    }
    seconds = strtoul(argv[2], &end, 10);
    if (*argv[2] < '0' || *argv[2] > '9' || *end != '\0' || seconds < 1 || seconds > MOST_SECONDS)
        die(2, argv[2], "not a number of seconds in range");
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (strcmp(argv[1], services[i].name) == 0) {
            measure(&services[i], seconds);
            return fflush(stdout) == 0 ? 0 : 1;
        }
    die(2, argv[1], "no such service");
}
