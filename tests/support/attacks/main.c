/* attack NAME [ARGUMENT…]: prints "OUTCOME NOTE", OUTCOME being 0 or an errno. */
#include "attack.h"

#include <stdarg.h>

enum { UNKNOWN = 2 };

static char noted[4096];

void note(const char *format, ...)
{
    size_t used = strlen(noted);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(noted + used, sizeof noted - used, format, arguments);
    va_end(arguments);
}

int main(int argc, char **argv)
{
    static const struct entry *const groups[] = {CALLS,   FILES,  PROCESSES,
                                                 NETWORK, FRAMES, RESOURCES};
    for (size_t group = 0; argc > 1 && group < sizeof groups / sizeof *groups; group++)
        for (const struct entry *entry = groups[group]; entry->name; entry++)
            if (!strcmp(entry->name, argv[1])) {
                long result = entry->run(argc - 2, argv + 2);
                printf("%ld %s\n", -result, noted);
                return 0;
            }
    return UNKNOWN;
}
