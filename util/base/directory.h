/* directory - what makes a new name durable. */
#ifndef UTIL_BASE_DIRECTORY_H
#define UTIL_BASE_DIRECTORY_H

/* Syncs the directory that path is in: a rename survives a power cut only then. One that cannot be synced is left. */
void directory_sync_of(const char *path);

#endif
