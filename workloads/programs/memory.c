/*
 * Memory bandwidth and latency, bounded by the clock.
 *
 *     memory stream  ARRAY_BYTES SECONDS     four STREAM kernels over three arrays
 *     memory latency BYTES SECONDS           dependent loads along a random cycle
 *     memory slices stream|latency BYTES     either in slices: see slices.h
 *
 * Output: a version line, then "key value unit" lines.  Exit status 2 on bad arguments, 1 when
 * memory is missing or a result is wrong; the reason is on standard error.
 *
 * stream counts bytes as STREAM does (McCalpin, "Memory Bandwidth and Machine Balance in Current
 * High Performance Computers", 1995): what the loops read and write, without the reads that a
 * cache adds before a write.  The rate is the best of at least three rounds; all pages have been
 * touched before the first.  In slices it is the mean: a slice holds few rounds.
 *
 * latency builds one cycle through all lines (Sattolo 1986), so each load's address is known only
 * when the load before it has ended, and no prefetcher can guess it.
 */

#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>

#define PROGRAM "memory"
#include "base.h"
#include "slices.h"

#define NOINLINE __attribute__((noinline, noclone))

enum {
    KERNELS = 4,
    LINE_BYTES = 64,
    LEAST_ROUNDS = 3,
    LEAST_BATCHES = 4,
    BATCH_LOADS = 1 << 16,
    SLICE_LOADS = 1 << 14, /* about a millisecond */
    LEAD_LOADS = 1 << 12,
    MOST_SECONDS = 3600,
    LEAD_WORDS = 1 << 16,
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

static const char *const names[KERNELS] = {"copy", "scale", "add", "triad"};

struct arrays {
    double *a, *b, *c;
    size_t n;
};

static struct arrays arrays_of(uint64_t bytes)
{
    const size_t n = bytes / sizeof(double);
    const size_t step = n + SKEW_BYTES / sizeof(double);
    double *a = pages(3 * step * sizeof(double));
    struct arrays made = {a, a + step, a + 2 * step, n};

    for (size_t i = 0; i < n; i++) {
        made.a[i] = 1.0;
        made.b[i] = 2.0;
        made.c[i] = 0.0;
    }
    return made;
}

static void stream(uint64_t bytes, uint64_t limit_ns)
{
    static const int passes[KERNELS] = {2, 2, 3, 3};
    const struct arrays made = arrays_of(bytes);
    double *const a = made.a, *const b = made.b, *const c = made.c;
    const size_t n = made.n;
    uint64_t best_ns[KERNELS], took_ns[KERNELS], rounds = 0, begin;

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

/* The lead copies pieces of a to c, as the next round does first: no value changes by it. */
static void lead_of(const struct arrays *made, uint64_t lead_ns)
{
    const uint64_t begin = now_ns();

    for (size_t at = 0; at + LEAD_WORDS <= made->n && now_ns() - begin < lead_ns; at += LEAD_WORDS)
        copy(made->c + at, made->a + at, LEAD_WORDS);
}

static void stream_slices(uint64_t bytes)
{
    const struct arrays made = arrays_of(bytes);
    uint64_t rounds = 0;
    struct slice slice;

    slices_ready();
    while (slices_next(&slice)) {
        uint64_t total_ns[KERNELS] = {0}, took_ns[KERNELS], in_slice = 0, begin, spent;

        lead_of(&made, slice.lead_ns);
        begin = now_ns();
        do {
            round_of(made.a, made.b, made.c, made.n, took_ns);
            for (int k = 0; k < KERNELS; k++)
                total_ns[k] += took_ns[k];
            in_slice++;
            spent = now_ns() - begin;
        } while (spent < slice.span_ns);
        rounds += in_slice;
        printf("ns=%" PRIu64 " bytes=%" PRIu64 " rounds=%" PRIu64, spent,
               (uint64_t)(made.n * sizeof(double)), in_slice);
        for (int k = 0; k < KERNELS; k++)
            printf(" %s_ns=%" PRIu64, names[k], total_ns[k]);
        slices_answered();
    }
    if (rounds > 0)
        check_stream(made.a, made.b, made.c, made.n, rounds);
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

static void check_place(const struct line *at, const struct line *lines, uint32_t n)
{
    if (at < lines || at >= lines + n)
        die(1, "chase", "left its memory");
}

static void latency_slices(uint64_t bytes)
{
    const uint32_t n = (uint32_t)(bytes / LINE_BYTES);
    struct line *lines = lines_of(n), *at = chase(lines, BATCH_LOADS);
    struct slice slice;

    slices_ready();
    while (slices_next(&slice)) {
        uint64_t best_ns = UINT64_MAX, loads = 0, begin = now_ns(), last, now;

        while (now_ns() - begin < slice.lead_ns)
            at = chase(at, LEAD_LOADS);
        begin = last = now = now_ns();
        do {
            at = chase(at, SLICE_LOADS);
            now = now_ns();
            if (now - last < best_ns)
                best_ns = now - last;
            last = now;
            loads += SLICE_LOADS;
        } while (now - begin < slice.span_ns);
        check_place(at, lines, n); /* the result is used, so no load can be left out */
        printf("ns=%" PRIu64 " loads=%" PRIu64 " best_ns=%" PRIu64 " batch=%d", now - begin, loads,
               best_ns, SLICE_LOADS);
        slices_answered();
    }
}

static void latency(uint64_t bytes, uint64_t limit_ns)
{
    const uint32_t n = (uint32_t)(bytes / LINE_BYTES);
    struct line *lines = lines_of(n), *at = lines;
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
    check_place(at, lines, n); /* the result is used, so no load can be left out */

    printf("tarebench-memory 1\n");
    printf("bytes %" PRIu64 " B\n", (uint64_t)n * LINE_BYTES);
    printf("loads %" PRIu64 " 1\n", batches * BATCH_LOADS);
    printf("mean %.3f ns\n", (double)total_ns / ((double)batches * BATCH_LOADS));
    printf("best %.3f ns\n", (double)best_ns / BATCH_LOADS);
}

static int in_slices(const char *what, uint64_t bytes)
{
    if (strcmp(what, "stream") == 0)
        stream_slices(bytes);
    else if (strcmp(what, "latency") == 0)
        latency_slices(bytes);
    else
        die(2, what, "is neither stream nor latency");
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t bytes, limit_ns;

    if (argc != 4)
        die(2, "usage", "memory stream|latency BYTES SECONDS, memory slices stream|latency BYTES");
    if (strcmp(argv[1], "slices") == 0)
        return in_slices(argv[2], number(argv[3], least_bytes, most_bytes));
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
