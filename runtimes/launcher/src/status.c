/* What the harness is told: the instant each step ended, the child's pid, a failure, readiness.
 *
 * Records are kept until there is something to act on, because each write wakes the harness,
 * and a woken harness takes a CPU from the box that is being started.
 */
#include "launcher.h"

#include <time.h>

struct status_record {
    uint32_t kind, index;
    int64_t value;
    uint64_t monotonic_ns;
};

enum { KEPT = 160 }; /* together below PIPE_BUF (4096): one write is never torn */

static struct status_record kept[KEPT];
static size_t kept_count;

void status_add(enum record kind, uint32_t index, int64_t value)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (kept_count == KEPT)
        kept_count--; /* marks are for looking; the last record is the one to act on */
    kept[kept_count++] = (struct status_record){
        kind, index, value, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
}

void status_flush(int fd)
{
    write_whole(fd, kept, kept_count * sizeof *kept); /* nobody is left to tell if it fails */
    kept_count = 0;
}
