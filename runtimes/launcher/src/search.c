/* Executing a program by name, as execvp(3) does it, with the PATH that the program is given and in
 * the root that it is given; not by way of a shell, whatever is in the file. */
#include "launcher.h"

static const char *path_of(char **environment)
{
    for (; *environment; environment++)
        if (!strncmp(*environment, "PATH=", 5))
            return *environment + 5;
    return "";
}

/* Returns only where nothing could be executed: a negative errno. */
int execute_by_name(char **argv, char **environment)
{
    static char candidate[4096];
    const char *name = argv[0], *at = path_of(environment);
    size_t length = strlen(name);
    int refused = 0;
    if (strchr(name, '/')) {
        execve(name, argv, environment);
        return -errno;
    }
    while (*at && length) {
        size_t part = strcspn(at, ":");
        if (at[0] == '/' && part + length + 2 <= sizeof candidate) {
            memcpy(candidate, at, part);
            candidate[part] = '/';
            memcpy(candidate + part + 1, name, length + 1);
            execve(candidate, argv, environment);
            if (errno == EACCES)
                refused = 1;
            else if (errno != ENOENT && errno != ENOTDIR)
                return -errno;
        }
        at += part + (at[part] == ':');
    }
    return refused ? -EACCES : -ENOENT;
}
