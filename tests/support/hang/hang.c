// Lets one thread of a program hang for ever: the one that gives itself the name HANG_THREAD. For LD_PRELOAD.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pthread_setname_np(pthread_t thread, const char *name) {
    const char *hangs = getenv("HANG_THREAD");
    if (hangs && strcmp(name, hangs) == 0)
        for (;;)
            pause();
    int (*real)(pthread_t, const char *) = (int (*)(pthread_t, const char *))dlsym(RTLD_NEXT, "pthread_setname_np");
    return real(thread, name);
}
