/*
 * Linpack: solve a dense system of linear equations in double precision, bounded by the clock.
 *
 *     linpack ORDER SECONDS
 *
 * Output: a version line, then "key value unit" lines.  Exit status 2 on bad arguments, 1 when
 * memory is missing or a solution is wrong; the reason is on standard error.
 *
 * The matrix is random and dense; it is factored by right-looking blocked LU with partial
 * pivoting, on one thread for each CPU that the box may use, and the system is solved with the
 * factors.  The rate counts 2/3 n^3 + 3/2 n^2 operations per solution, as HPL does, and every
 * solution is checked as HPL checks it: ||Ax - b|| / (eps (||A|| ||x|| + ||b||) n) <= 16 in the
 * maximum norm (Petitet, Whaley, Dongarra, Cleary, "HPL").
 *
 * Nearly all time goes into one small kernel, of which there is a variant for each width of the
 * vector unit; the widest that the CPU offers is taken and named in the output.
 */

#define _GNU_SOURCE
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>

#define PROGRAM "linpack"
#include "base.h"

enum {
    BLOCK = 64,     /* columns factored at a time: a panel of them stays in the L2 cache */
    ROW_TILE = 256, /* rows multiplied at a time: their packed part stays there too */
    MOST_ROWS = 32, /* of a kernel's tile */
    MOST_COLUMNS = 16,
    ALIGNMENT = 64,
    LEAST_ORDER = 2,
    MOST_ORDER = 1 << 16,
    MOST_SECONDS = 3600,
    MOST_THREADS = 1024,
};

static const double most_residual = 16.0;

static double *doubles(size_t count)
{
    return pages(count * sizeof(double));
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- the kernel: a tile of C -= packed rows of A * packed columns of B ---- */

struct kernel {
    size_t vector_bytes, rows, columns;
    void (*run)(size_t depth, const double *a, const double *b, double *tile);
};

/* TILE receives the product, column by column; registers hold it until the end. */
#define KERNEL(name, attributes, bytes, vectors, width)                                            \
    typedef double name##_vector __attribute__((vector_size(bytes)));                              \
    attributes static void name##_run(size_t depth, const double *a, const double *b,              \
                                      double *tile)                                                \
    {                                                                                              \
        name##_vector sum[width][vectors] = {{{0}}};                                               \
                                                                                                   \
        for (size_t k = 0; k < depth; k++) {                                                       \
            const name##_vector *row = (const name##_vector *)a + k * (vectors);                   \
                                                                                                   \
            for (int j = 0; j < (width); j++)                                                      \
                for (int i = 0; i < (vectors); i++)                                                \
                    sum[j][i] += row[i] * b[k * (width) + (size_t)j];                              \
        }                                                                                          \
        memcpy(tile, sum, sizeof sum);                                                             \
    }                                                                                              \
    static const struct kernel name = {bytes, (vectors) * (bytes) / sizeof(double), width,         \
                                       name##_run};

/* Sums per kernel: enough to hide the latency of an addition, few enough for the registers. */
KERNEL(narrow, , 16, 2, 4)
#if defined(__x86_64__)
KERNEL(middle, __attribute__((target("avx2,fma"))), 32, 2, 6)
KERNEL(wide, __attribute__((target("avx512f"))), 64, 3, 8)
#endif

static struct kernel widest(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return wide;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return middle;
#endif
    return narrow;
}

/* ---- one system of equations ---- */

struct system {
    size_t n, lead;    /* order; distance of columns, in doubles */
    double *a, *b, *x; /* a: column by column, overwritten by its factors */
    size_t *pivots;
    double *rows;    /* the panel's lower part, packed for the kernel */
    double *columns; /* the block row, packed */
    struct kernel kernel;
    size_t threads;
    pthread_barrier_t barrier;
};

static size_t rounded(size_t value, size_t to)
{
    return (value + to - 1) / to * to;
}

static struct system system_of(size_t n, size_t threads)
{
    struct system s = {.n = n, .kernel = widest(), .threads = threads};

    s.lead = rounded(n, 8) + 8; /* never a power of two: columns would share their cache sets */
    s.a = doubles(s.lead * n);
    s.b = doubles(n);
    s.x = doubles(n);
    s.rows = doubles(rounded(n, s.kernel.rows) * BLOCK);
    s.columns = doubles((n + threads * s.kernel.columns) * BLOCK);
    s.pivots = calloc(n, sizeof *s.pivots);
    if (s.pivots == NULL)
        die(1, "calloc", strerror(errno));
    if (pthread_barrier_init(&s.barrier, NULL, (unsigned)threads) != 0)
        die(1, "pthread_barrier_init", "failed");
    return s;
}

/* xorshift64* (Vigna 2016): uniform in [-0.5, 0.5), the same matrix for the same seed. */
static double draw(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (double)((x * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53 - 0.5;
}

static void fill(struct system *s, uint64_t seed)
{
    uint64_t state = seed;

    for (size_t j = 0; j < s->n; j++)
        for (size_t i = 0; i < s->n; i++)
            s->a[i + j * s->lead] = draw(&state);
    for (size_t i = 0; i < s->n; i++)
        s->b[i] = draw(&state);
}

static void swap_in_column(double *column, size_t i, size_t j)
{
    double kept = column[i];

    column[i] = column[j];
    column[j] = kept;
}

/* Factor columns first ... end-1 from row `first` down, exchanging rows within them only. */
static void factor_panel(struct system *s, size_t first, size_t end)
{
    for (size_t k = first; k < end; k++) {
        double *column = s->a + k * s->lead, inverse;
        size_t best = k;

        for (size_t i = k + 1; i < s->n; i++)
            if (fabs(column[i]) > fabs(column[best]))
                best = i;
        s->pivots[k] = best;
        if (!(fabs(column[best]) > 0.0))
            die(1, "factor", "the matrix is singular");
        for (size_t j = first; j < end; j++)
            swap_in_column(s->a + j * s->lead, k, best);
        inverse = 1.0 / column[k];
        for (size_t i = k + 1; i < s->n; i++)
            column[i] *= inverse;
        for (size_t j = k + 1; j < end; j++) {
            double *other = s->a + j * s->lead, factor = other[k];

            for (size_t i = k + 1; i < s->n; i++)
                other[i] -= factor * column[i];
        }
    }
}

static void exchange_rows(struct system *s, size_t first, size_t end, size_t from, size_t to)
{
    for (size_t j = from; j < to; j++)
        for (size_t k = first; k < end; k++)
            swap_in_column(s->a + j * s->lead, k, s->pivots[k]);
}

/* Columns from ... to-1 of the block row: solve with the panel's unit lower triangle. */
static void solve_triangle(struct system *s, size_t first, size_t end, size_t from, size_t to)
{
    for (size_t j = from; j < to; j++) {
        double *column = s->a + j * s->lead;

        for (size_t k = first; k < end; k++) {
            const double *lower = s->a + k * s->lead;

            for (size_t i = k + 1; i < end; i++)
                column[i] -= column[k] * lower[i];
        }
    }
}

/* Rows from ... to-1 of columns first ... end-1, in strips as high as the kernel's tile. */
static void pack_rows(struct system *s, size_t first, size_t end, size_t from, size_t to,
                      double *packed)
{
    for (size_t top = from; top < to; top += s->kernel.rows)
        for (size_t k = first; k < end; k++)
            for (size_t i = top; i < top + s->kernel.rows; i++)
                *packed++ = i < to ? s->a[i + k * s->lead] : 0.0;
}

static void pack_columns(struct system *s, size_t first, size_t end, size_t from, size_t to,
                         double *packed)
{
    for (size_t left = from; left < to; left += s->kernel.columns)
        for (size_t k = first; k < end; k++)
            for (size_t j = left; j < left + s->kernel.columns; j++)
                *packed++ = j < to ? s->a[k + j * s->lead] : 0.0;
}

static void subtract_tile(struct system *s, const double *tile, size_t top, size_t left, size_t to)
{
    const size_t height = lesser(s->kernel.rows, s->n - top);
    const size_t width = lesser(s->kernel.columns, to - left);

    for (size_t j = 0; j < width; j++) {
        double *column = s->a + top + (left + j) * s->lead;

        for (size_t i = 0; i < height; i++)
            column[i] -= tile[i + j * s->kernel.rows];
    }
}

/* Columns from ... to-1 below the block row: minus the panel times the block row. */
static void update(struct system *s, size_t end, size_t depth, size_t from, size_t to,
                   const double *columns)
{
    double tile[MOST_ROWS * MOST_COLUMNS] __attribute__((aligned(ALIGNMENT)));
    const size_t step = rounded(ROW_TILE, s->kernel.rows);

    for (size_t begin = end; begin < s->n; begin += step)
        for (size_t left = from; left < to; left += s->kernel.columns)
            for (size_t top = begin; top < lesser(begin + step, s->n); top += s->kernel.rows) {
                s->kernel.run(depth, s->rows + (top - end) * depth, columns + (left - from) * depth,
                              tile);
                subtract_tile(s, tile, top, left, to);
            }
}

/* The part of `count` things, in whole tiles, that is this thread's: its first. */
static size_t share(size_t count, size_t tile, size_t threads, size_t thread)
{
    return lesser(rounded(count, tile) / tile * thread / threads * tile, count);
}

struct worker {
    struct system *system;
    size_t index;
};

static void *factor(void *argument)
{
    const struct worker *me = argument;
    struct system *s = me->system;
    const size_t t = me->index;

    for (size_t first = 0; first < s->n; first += BLOCK) {
        const size_t end = lesser(first + BLOCK, s->n), depth = end - first;
        const size_t height = s->kernel.rows, width = s->kernel.columns, rest = s->n - end;
        const size_t from = end + share(rest, width, s->threads, t);
        const size_t to = end + share(rest, width, s->threads, t + 1);
        const size_t top = share(rest, height, s->threads, t);
        const size_t bottom = share(rest, height, s->threads, t + 1);
        double *columns = s->columns + rounded(from - end, width) * BLOCK;

        if (t == 0)
            factor_panel(s, first, end);
        pthread_barrier_wait(&s->barrier);
        exchange_rows(s, first, end, share(first, 1, s->threads, t),
                      share(first, 1, s->threads, t + 1));
        exchange_rows(s, first, end, from, to);
        solve_triangle(s, first, end, from, to);
        pack_columns(s, first, end, from, to, columns);
        pack_rows(s, first, end, end + top, end + bottom, s->rows + top * depth);
        pthread_barrier_wait(&s->barrier);
        update(s, end, depth, from, to, columns);
        pthread_barrier_wait(&s->barrier);
    }
    return NULL;
}

static void factor_in_parallel(struct system *s)
{
    pthread_t threads[MOST_THREADS];
    struct worker workers[MOST_THREADS];

    for (size_t t = 0; t < s->threads; t++)
        workers[t] = (struct worker){s, t};
    for (size_t t = 1; t < s->threads; t++)
        if (pthread_create(&threads[t], NULL, factor, &workers[t]) != 0)
            die(1, "pthread_create", "failed");
    factor(&workers[0]);
    for (size_t t = 1; t < s->threads; t++)
        pthread_join(threads[t], NULL);
}

static void solve(struct system *s)
{
    memcpy(s->x, s->b, s->n * sizeof *s->x);
    for (size_t k = 0; k < s->n; k++)
        swap_in_column(s->x, k, s->pivots[k]);
    for (size_t k = 0; k < s->n; k++) {
        const double *column = s->a + k * s->lead;

        for (size_t i = k + 1; i < s->n; i++)
            s->x[i] -= s->x[k] * column[i];
    }
    for (size_t k = s->n; k-- > 0;) {
        const double *column = s->a + k * s->lead;

        s->x[k] /= column[k];
        for (size_t i = 0; i < k; i++)
            s->x[i] -= s->x[k] * column[i];
    }
}

static double largest(const double *of, size_t n)
{
    double most = 0.0;

    for (size_t i = 0; i < n; i++)
        if (!(fabs(of[i]) <= most)) /* NaN becomes the largest and stays it */
            most = fabs(of[i]);
    return most;
}

/* HPL's scaled residual.  The factors have overwritten the matrix: it is made again. */
static double residual_of(struct system *s, uint64_t seed)
{
    double *difference = doubles(s->n), *sums = doubles(s->n), norms, found;

    fill(s, seed);
    memcpy(difference, s->b, s->n * sizeof *difference);
    for (size_t j = 0; j < s->n; j++)
        for (size_t i = 0; i < s->n; i++) {
            difference[i] -= s->a[i + j * s->lead] * s->x[j];
            sums[i] += fabs(s->a[i + j * s->lead]);
        }
    norms = largest(sums, s->n) * largest(s->x, s->n) + largest(s->b, s->n);
    found = largest(difference, s->n) / (DBL_EPSILON * norms * (double)s->n);
    munmap(difference, s->n * sizeof *difference);
    munmap(sums, s->n * sizeof *sums);
    return found;
}

static size_t usable_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        die(1, "sched_getaffinity", strerror(errno));
    return lesser((size_t)CPU_COUNT(&set), MOST_THREADS);
}

static void linpack(size_t n, uint64_t limit_ns)
{
    struct system s = system_of(n, usable_cpus());
    const double operations = (2.0 / 3.0 * (double)n + 1.5) * (double)n * (double)n;
    uint64_t best_ns = UINT64_MAX, total_ns = 0, solutions = 0;
    double worst = 0.0;

    do {
        const uint64_t seed = UINT64_C(88172645463325252) + solutions;
        uint64_t begin, took_ns;
        double residual;

        fill(&s, seed);
        begin = now_ns();
        factor_in_parallel(&s);
        solve(&s);
        took_ns = now_ns() - begin;
        residual = residual_of(&s, seed);
        if (!(residual <= most_residual))
            die(1, "solution", "its residual is too large: this CPU computes wrongly");
        worst = residual > worst ? residual : worst;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
        total_ns += took_ns;
        solutions++;
    } while (total_ns < limit_ns);
    if (best_ns == 0)
        die(1, "clock", "a solution took no time: ORDER is too small");

    printf("tarebench-linpack 1\n");
    printf("order %zu 1\n", n);
    printf("threads %zu 1\n", s.threads);
    printf("vector_bytes %zu B\n", s.kernel.vector_bytes);
    printf("solutions %" PRIu64 " 1\n", solutions);
    printf("mean %.1f flop/s\n", operations * (double)solutions * 1e9 / (double)total_ns);
    printf("best %.1f flop/s\n", operations * 1e9 / (double)best_ns);
    printf("residual %.12f 1\n", worst);
}

int main(int argc, char **argv)
{
    size_t n;

    if (argc != 3)
        die(2, "usage", "linpack ORDER SECONDS");
    n = (size_t)number(argv[1], LEAST_ORDER, MOST_ORDER);
    linpack(n, number(argv[2], 0, MOST_SECONDS) * second_ns);
    if (fflush(stdout) != 0 || ferror(stdout))
        die(1, "standard output", "cannot be written");
    return 0;
}
