/* A disk for SQLite that fails when a test wants it: the default VFS, with writes that may be
 * refused. */
#ifndef TESTS_UNIT_WATCH_FAULTY_VFS_H
#define TESTS_UNIT_WATCH_FAULTY_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* SQLITE_OK, or what the next writes give: SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_READONLY. */
static _Atomic int faulty_write;
/* So many writes go through before. */
static _Atomic int faulty_after;
static _Atomic unsigned faulty_failures;

struct faulty_file {
    sqlite3_file head;
    sqlite3_file *real;
};

static sqlite3_vfs *faulty_real;

static inline sqlite3_file *faulty_real_file(sqlite3_file *file) {
    return ((struct faulty_file *)file)->real;
}

#define FAULTY_FORWARD(name, parameters, ...)                                                      \
    static inline int faulty_##name parameters {                                                   \
        sqlite3_file *real = faulty_real_file(file);                                               \
        return real->pMethods->x##name(real, __VA_ARGS__);                                         \
    }

FAULTY_FORWARD(Read, (sqlite3_file * file, void *out, int len, sqlite3_int64 at), out, len, at)
FAULTY_FORWARD(FileSize, (sqlite3_file * file, sqlite3_int64 *size), size)
FAULTY_FORWARD(Lock, (sqlite3_file * file, int lock), lock)
FAULTY_FORWARD(Unlock, (sqlite3_file * file, int lock), lock)
FAULTY_FORWARD(CheckReservedLock, (sqlite3_file * file, int *out), out)
FAULTY_FORWARD(FileControl, (sqlite3_file * file, int code, void *argument), code, argument)

static inline int faulty_result(void) {
    int result = atomic_load(&faulty_write);

    if (result == SQLITE_OK || atomic_fetch_sub(&faulty_after, 1) > 0)
        return SQLITE_OK;
    atomic_fetch_add(&faulty_failures, 1);
    return result;
}

static inline int faulty_Write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at) {
    sqlite3_file *real = faulty_real_file(file);
    int result = faulty_result();
    return result ? result : real->pMethods->xWrite(real, bytes, len, at);
}

static inline int faulty_Truncate(sqlite3_file *file, sqlite3_int64 size) {
    sqlite3_file *real = faulty_real_file(file);
    return real->pMethods->xTruncate(real, size);
}

/* Nobody cuts the power in a test. */
static inline int faulty_Sync(sqlite3_file *file, int flags) {
    (void)file, (void)flags;
    return faulty_result();
}

static inline int faulty_Close(sqlite3_file *file) {
    sqlite3_file *real = faulty_real_file(file);
    int result = real->pMethods->xClose(real);
    free(real);
    return result;
}

static inline int faulty_SectorSize(sqlite3_file *file) {
    sqlite3_file *real = faulty_real_file(file);
    return real->pMethods->xSectorSize(real);
}

static inline int faulty_DeviceCharacteristics(sqlite3_file *file) {
    sqlite3_file *real = faulty_real_file(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods faulty_methods = {
    .iVersion = 1,
    .xClose = faulty_Close,
    .xRead = faulty_Read,
    .xWrite = faulty_Write,
    .xTruncate = faulty_Truncate,
    .xSync = faulty_Sync,
    .xFileSize = faulty_FileSize,
    .xLock = faulty_Lock,
    .xUnlock = faulty_Unlock,
    .xCheckReservedLock = faulty_CheckReservedLock,
    .xFileControl = faulty_FileControl,
    .xSectorSize = faulty_SectorSize,
    .xDeviceCharacteristics = faulty_DeviceCharacteristics,
};

static inline int faulty_Open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                              int *out_flags) {
    struct faulty_file *faulty = (struct faulty_file *)file;
    (void)vfs;

    memset(faulty, 0, sizeof *faulty);
    faulty->real = calloc(1, (size_t)faulty_real->szOsFile);
    if (!faulty->real)
        return SQLITE_NOMEM;
    int result = faulty_real->xOpen(faulty_real, name, faulty->real, flags, out_flags);
    if (result != SQLITE_OK) {
        free(faulty->real);
        return result;
    }
    faulty->head.pMethods = &faulty_methods;
    return SQLITE_OK;
}

/* From here on, what is opened is on the faulty disk. */
static inline void faulty_install(void) {
    static sqlite3_vfs vfs;

    faulty_real = sqlite3_vfs_find(NULL);
    vfs = *faulty_real;
    vfs.zName = "faulty";
    vfs.szOsFile = sizeof(struct faulty_file);
    vfs.pNext = NULL;
    vfs.xOpen = faulty_Open;
    sqlite3_vfs_register(&vfs, 1);
}

#endif
