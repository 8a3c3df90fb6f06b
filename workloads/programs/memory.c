/*
 * Memory bandwidth and latency, bounded by the clock.
 *
 *     memory stream  ARRAY_BYTES SECONDS     four STREAM kernels over three arrays
 *     memory latency BYTES SECONDS           dependent loads along a random cycle
 *
 * Output: a version line, then "key value unit" lines.  Exit status 2 on bad arguments, 1 when
 * memory is missing or a result is wrong; the reason is on standard error.
 *
 * stream counts bytes as STREAM does (McCalpin, "Memory Bandwidth and Machine Balance in Current
 * High Performance Computers", 1995): what the loops read and write, without the reads that a
 * cache adds before a write.  The rate is the best of at least three rounds; all pages have been
 * touched before the first.
 *
 * latency builds one cycle through all lines (Sattolo 1986), so each load's address is known only
 * when the load before it has ended, and no prefetcher can guess it.
 */

#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>

#define PROGRAM "memory"
#include "base.h"

#define NOINLINE __attribute__((noinline, noclone))

enum {
    KERNELS = 4,
    LINE_BYTES = 64,
    LEAST_ROUNDS = 3,
    LEAST_BATCHES = 4,
    BATCH_LOADS = 1 << 16,
    MOST_SECONDS = 3600,
    SKEW_BYTES = 1344, /* arrays must not share their offset in a page: loads would alias stores */
};

static const uint64_t least_bytes = 1 << 16;
static const uint64_t most_bytes = UINT64_C(1) << 36;

/* ---- stream ---- */

/*
 * STREAM multiplies by 3 and overflows when it runs for long.  With this scalar one round maps
 * a to a * (2s + s * s) = a, so values stay where they are for any number of rounds.
 */
static const double scalar = 0.41421356237309504880; /* sqrt(2) - 1 */

static NOINLINE void copy(double *restrict c, const double *restrict a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c[i] = a[i];
}

static NOINLINE void scale(double *restrict b, const double *restrict c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        b[i] = scalar * c[i];
}

static NOINLINE void add(double *restrict c, const double *restrict a, const double *restrict b,
                         size_t n)
{
    for (size_t i = 0; i < n; i++)
        c[i] = a[i] + b[i];
}

static NOINLINE void triad(double *restrict a, const double *restrict b, const double *restrict c,
                           size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] + scalar * c[i];
}

static void round_of(double *a, double *b, double *c, size_t n, uint64_t took_ns[KERNELS])
{
    uint64_t at[KERNELS + 1];

    at[0] = now_ns();
    copy(c, a, n);
    at[1] = now_ns();
    scale(b, c, n);
    at[2] = now_ns();
    add(c, a, b, n);
    at[3] = now_ns();
    triad(a, b, c, n);
    at[4] = now_ns();
    for (int k = 0; k < KERNELS; k++)
        took_ns[k] = at[k + 1] - at[k];
}

static void check_array(const char *name, const double *array, size_t n, double expected)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(array[i] - expected) <= 1e-12 * expected))
            die(1, name, "wrong result");
}

static void check_stream(const double *a, const double *b, const double *c, size_t n,
                         uint64_t rounds)
{
    double x = 1.0, y = 2.0, z = 0.0;

    for (uint64_t r = 0; r < rounds; r++) {
        z = x;
        y = scalar * z;
        z = x + y;
        x = y + scalar * z;
    }
    check_array("a", a, n, x);
    check_array("b", b, n, y);
    check_array("c", c, n, z);
}

static void stream(uint64_t bytes, uint64_t limit_ns)
{
    static const char *const names[KERNELS] = {"copy", "scale", "add", "triad"};
    static const int passes[KERNELS] = {2, 2, 3, 3};
    const size_t n = bytes / sizeof(double);
    const size_t step = n + SKEW_BYTES / sizeof(double);
    double *a = pages(3 * step * sizeof(double)), *b = a + step, *c = b + step;
    uint64_t best_ns[KERNELS], took_ns[KERNELS], rounds = 0, begin;

    for (size_t i = 0; i < n; i++) {
        a[i] = 1.0;
        b[i] = 2.0;
        c[i] = 0.0;
    }
    memset(best_ns, 0xff, sizeof best_ns);
    begin = now_ns();
    do {
        round_of(a, b, c, n, took_ns);
        for (int k = 0; k < KERNELS; k++)
            if (took_ns[k] < best_ns[k])
                best_ns[k] = took_ns[k];
        rounds++;
    } while (rounds < LEAST_ROUNDS || now_ns() - begin < limit_ns);
    check_stream(a, b, c, n, rounds);

    printf("tarebench-memory 1\n");
    printf("array_bytes %" PRIu64 " B\n", (uint64_t)(n * sizeof(double)));
    printf("rounds %" PRIu64 " 1\n", rounds);
    for (int k = 0; k < KERNELS; k++) {
        if (best_ns[k] == 0)
            die(1, names[k], "took no time: ARRAY_BYTES is too small for the clock");
        printf("%s %.1f B/s\n", names[k],
               (double)passes[k] * (double)(n * sizeof(double)) * 1e9 / (double)best_ns[k]);
    }
}

/* ---- latency ---- */

struct line {
    struct line *next;
    char rest[LINE_BYTES - sizeof(struct line *)];
};

/* xorshift64* (Vigna 2016), from a fixed seed: the same cycle in every box. */
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

static uint32_t *cycle_of(uint32_t n)
{
    uint32_t *successor = pages((uint64_t)n * sizeof *successor);
    uint64_t state = UINT64_C(88172645463325252);
    uint32_t at = 0, length = 0;

    for (uint32_t i = 0; i < n; i++)
        successor[i] = i;
    for (uint32_t i = n - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(((draw(&state) >> 32) * i) >> 32); /* 0 … i-1: Sattolo */
        uint32_t kept = successor[i];

        successor[i] = successor[j];
        successor[j] = kept;
    }
    do {
        at = successor[at];
        length++;
    } while (at != 0 && length < n);
    if (at != 0 || length != n)
        die(1, "cycle", "does not pass through every line");
    return successor;
}

static struct line *lines_of(uint32_t n)
{
    uint32_t *successor = cycle_of(n);
    struct line *lines = pages((uint64_t)n * sizeof *lines);

    for (uint32_t i = 0; i < n; i++)
        lines[i].next = &lines[successor[i]];
    munmap(successor, (uint64_t)n * sizeof *successor);
    return lines;
}

static NOINLINE struct line *chase(struct line *at, uint32_t loads)
{
    for (uint32_t i = 0; i < loads; i += 8) {
        at = at->next->next->next->next;
        at = at->next->next->next->next;
    }
    return at;
}

static void latency(uint64_t bytes, uint64_t limit_ns)
{
    const uint32_t n = (uint32_t)(bytes / LINE_BYTES);
    struct line *lines = lines_of(n), *at = lines;
    struct line *volatile sink;
    uint64_t best_ns = UINT64_MAX, total_ns = 0, batches = 0;

    at = chase(at, BATCH_LOADS); /* warms the page tables; does not count */
    do {
        uint64_t begin = now_ns(), took_ns;

        at = chase(at, BATCH_LOADS);
        took_ns = now_ns() - begin;
        total_ns += took_ns;
        if (took_ns < best_ns)
            best_ns = took_ns;
        batches++;
    } while (batches < LEAST_BATCHES || total_ns < limit_ns);
    sink = at; /* the result is used, so no load can be left out */
    if (sink < lines || sink >= lines + n)
        die(1, "chase", "left its memory");

    printf("tarebench-memory 1\n");
    printf("bytes %" PRIu64 " B\n", (uint64_t)n * LINE_BYTES);
    printf("loads %" PRIu64 " 1\n", batches * BATCH_LOADS);
    printf("mean %.3f ns\n", (double)total_ns / ((double)batches * BATCH_LOADS));
    printf("best %.3f ns\n", (double)best_ns / BATCH_LOADS);
}

int main(int argc, char **argv)
{
    uint64_t bytes, limit_ns;

    if (argc != 4)
        die(2, "usage", "memory stream|latency BYTES SECONDS");
    bytes = number(argv[2], least_bytes, most_bytes);
    limit_ns = number(argv[3], 0, MOST_SECONDS) * second_ns;
    if (strcmp(argv[1], "stream") == 0)
        stream(bytes, limit_ns);
    else if (strcmp(argv[1], "latency") == 0)
        latency(bytes, limit_ns);
    else
        die(2, argv[1], "is neither stream nor latency");
    if (fflush(stdout) != 0 || ferror(stdout))
        die(1, "standard output", "cannot be written");
    return 0;
}
