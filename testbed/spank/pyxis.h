/*
 * A SPANK plugin that takes the options of Pyxis and runs a step in a container made from a squashfs
 * image. It follows Pyxis in what a user can observe: option syntax, which variable wins, what is
 * visible inside, how errors read and that they fail the step.
 *
 *   options.c    the options and their parsing
 *   report.c     the text of an error, made in one process and told in another
 *   image.c      find or make the mount of an image file
 *   rootfs.c     build a container's root in a mount namespace of its own
 *   container.c  one container per step and node: create it, keep it by name, join it
 *   environment.c  the image's variables against the host's
 *   plugin.c     the functions that Slurm calls
 */
#ifndef PYXIS_H
#define PYXIS_H

#include <limits.h>
#include <slurm/spank.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_MOUNTS 64
#define MAX_NAMES 256
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct mount_request {
	char *source; /* a path, or "tmpfs" */
	char *target;
	bool read_only;
	bool recursive;
};

/* What was asked for on srun's command line. */
struct request {
	char *image;
	char *name;
	char *workdir;
	struct mount_request mounts[MAX_MOUNTS];
	size_t mount_count;
	char *environment[MAX_NAMES]; /* names whose host value wins over the image's */
	size_t environment_count;
	bool mount_home;
	bool read_only;
};

/* Where things lie; from plugstack.conf and from the step. */
struct step {
	char images[PATH_MAX]; /* folder of mounted images, each named by its file's key */
	char spool[PATH_MAX];  /* parent of every slurmd's spool folder */
	char tag[64];	       /* names the testbed on its loop devices */
	char node[256];
	char home[PATH_MAX];
	uid_t uid;
	uint32_t job_id;
	uint32_t step_id;
	uint32_t task_count;
};

extern struct request request;

/* options.c */
int options_register(spank_t sp);
bool options_ask_for_container(void);
void options_warn_about_unused(void);

/* report.c: errors are gathered as lines, so that a child process can send them to its parent. */
void report_add(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *report_text(void);
void report_set(const char *text);
void report_tell(void);

/* image.c: a folder that shows the image; NULL (and a report) when there is none. */
const char *image_mount(const struct step *step, const char *image, const char *scratch);

/* rootfs.c: turn this process's mount namespace into the container's; -1 and a report on failure. */
int rootfs_build(const struct step *step);
int make_folders(const char *path);

/* container.c */
int container_prepare(const struct step *step);
int container_join(void);
void container_forget_names(uint32_t job_id);

/* environment.c */
int environment_apply(spank_t sp);

#endif
