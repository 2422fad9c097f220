/* What a daemon may do once it has begun: another user's rights, and no file to be written but
 * below some folders. For the main thread before it starts others, which inherit all of it. */
#ifndef TOOLS_TRAWL_CONFINE_H
#define TOOLS_TRAWL_CONFINE_H

#include "engine/base/error.h"

#include <stdbool.h>

/* What is made from here on is for this user alone, and no program that is started can have more
 * rights than this one. */
void confine_begin(void);

/* Becomes this user for good: groups, user, and no capability is left. Nothing happens when it is
 * this user. NULL is nobody else. */
enum error confine_user(const char *name, struct failure *failure)
    __attribute__((warn_unused_result));

enum { CONFINE_FOLDERS = 64 };

struct confine_folders {
    int descriptors[CONFINE_FOLDERS];
    int count;
};

void confine_folders_init(struct confine_folders *folders);
/* One that is not there is made, with those above it. What cannot be had is passed over: who writes
 * there will say so. */
enum error confine_add_folder(struct confine_folders *folders, const char *path,
                              struct failure *failure) __attribute__((warn_unused_result));
/* The folder in which this file is, or will be; it is not made. */
enum error confine_add_file(struct confine_folders *folders, const char *path,
                            struct failure *failure) __attribute__((warn_unused_result));

/* From here on files are written, made and removed below these folders only (Landlock); reading
 * stays as it is. `*confined` is false where the kernel cannot do that. Closes the folders. */
enum error confine_writing(struct confine_folders *folders, bool *confined, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
