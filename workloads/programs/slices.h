/*
 * Work in slices: set up once, then a short piece of it for each line on standard input.
 *
 *     PROGRAM slices …        writes "ready" when it is set up
 *     LEAD_MS SPAN_MS         a request: work that does not count for about LEAD_MS, which brings
 *                             caches and page tables back; then whole units for at least SPAN_MS
 *     KEY=NUMBER …            the answer, one line; durations are of this box's monotonic clock
 *
 * It ends, with status 0, at the end of its input.
 */
#ifndef TAREBENCH_PROGRAM_SLICES_H
#define TAREBENCH_PROGRAM_SLICES_H

#include <inttypes.h>

#include "base.h"

enum { MOST_SLICE_MS = 60000 };

struct slice {
    uint64_t lead_ns, span_ns;
};

static void slices_ready(void)
{
    if (puts("ready") == EOF || fflush(stdout) != 0)
        die(1, "standard output", "cannot be written");
}

/* The next request; false at the end of the input. */
static int slices_next(struct slice *slice)
{
    char line[64], *lead, *span, *save = NULL;

    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    lead = strtok_r(line, " \n", &save);
    span = strtok_r(NULL, " \n", &save);
    if (lead == NULL || span == NULL || strtok_r(NULL, " \n", &save) != NULL)
        die(2, "request", "is not LEAD_MS SPAN_MS");
    slice->lead_ns = number(lead, 0, MOST_SLICE_MS) * (second_ns / 1000);
    slice->span_ns = number(span, 1, MOST_SLICE_MS) * (second_ns / 1000);
    return 1;
}

static void slices_answered(void)
{
    if (putchar('\n') == EOF || fflush(stdout) != 0)
        die(1, "standard output", "cannot be written");
}

#endif
