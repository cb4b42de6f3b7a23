/* Build a container's root: image, machine's /usr, the node's devices, then what was asked for. */
#define _GNU_SOURCE
#include "pyxis.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char scratch[] = "/run/container";
static const char root[] = "/run/container/root";

/* mkdir -p */
int make_folders(const char *path)
{
	char partial[PATH_MAX];

	snprintf(partial, sizeof(partial), "%s", path);
	for (char *slash = strchr(partial + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdir(partial, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static bool is_folder(const char *path)
{
	struct stat facts;

	return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* Make a folder or an empty file to mount on, as the source is one or the other. */
static int make_mount_point(const char *source, const char *target)
{
	char parent[PATH_MAX];
	char *slash;
	int fd;

	if (is_folder(source))
		return make_folders(target);
	if (snprintf(parent, sizeof(parent), "%s", target) >= (int)sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	slash = strrchr(parent, '/');
	if (slash != NULL && slash != parent) {
		*slash = '\0';
		if (make_folders(parent) < 0)
			return -1;
	}
	fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int make_read_only(const char *target)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };

	return (int)syscall(SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &attributes, sizeof(attributes));
}

/* Where `inside` lies before the root is changed. */
static int path_in_root(char target[PATH_MAX], const char *inside)
{
	if (snprintf(target, PATH_MAX, "%s/%s", root, inside) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* Bind a host path at `inside` in the container. */
static int bind_into(const char *source, const char *inside, bool recursive, bool read_only)
{
	char target[PATH_MAX];

	if (path_in_root(target, inside) < 0 || make_mount_point(source, target) < 0 ||
	    mount(source, target, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0 ||
	    (read_only && make_read_only(target) < 0)) {
		report_add("    [ERROR] Could not mount %s on %s: %s", source, inside, strerror(errno));
		return -1;
	}
	return 0;
}

static int mount_tmpfs(const char *inside, const char *data)
{
	char target[PATH_MAX];

	if (path_in_root(target, inside) < 0 || make_folders(target) < 0 || mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, data) < 0) {
		report_add("    [ERROR] Could not mount tmpfs on %s: %s", inside, strerror(errno));
		return -1;
	}
	return 0;
}

/* A writable layer in memory over the image. */
static int mount_layers(const struct step *step)
{
	static const char *const folders[] = { "/run/container/upper", "/run/container/work", root };
	char data[2 * PATH_MAX];
	const char *image;

	if (mount("tmpfs", scratch, "tmpfs", MS_NOSUID, "mode=0755") < 0) {
		report_add("    [ERROR] Could not mount a tmpfs on %s: %s", scratch, strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(folders); i++)
		if (mkdir(folders[i], 0755) < 0)
			return -1;
	image = image_mount(step, request.image, scratch);
	if (image == NULL)
		return -1;
	snprintf(data, sizeof(data), "lowerdir=%s,upperdir=%s,workdir=%s", image, folders[0], folders[1]);
	if (mount("overlay", root, "overlay", 0, data) < 0) {
		report_add("    [ERROR] Could not lay a writable layer over %s: %s", image, strerror(errno));
		return -1;
	}
	return 0;
}

/* What every container sees of its node. */
static int mount_node_parts(void)
{
	static const struct {
		const char *path;
		bool read_only;
	} parts[] = {
		{ "/usr", true },
		{ "/etc/alternatives", true }, /* half of /usr/bin's names lead through it */
		{ "/proc", false },
		{ "/sys", false },
		{ "/dev", false },
		{ "/run/emulated-gpu", false },
		{ "/etc/hosts", false },
		{ "/etc/hostname", false },
		{ "/etc/resolv.conf", false },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		if (bind_into(parts[i].path, parts[i].path, true, parts[i].read_only) < 0)
			return -1;
	return mount_tmpfs("/tmp", "mode=1777");
}

/* The folders through which the step's tasks reach their PMIx server. */
static int mount_pmix(const struct step *step)
{
	char paths[2][2 * PATH_MAX];

	snprintf(paths[0], sizeof(paths[0]), "%s/%s/pmix.%u.%u", step->spool, step->node, step->job_id,
		 step->step_id);
	snprintf(paths[1], sizeof(paths[1]), "/tmp/spmix_appdir_%u_%u.%u", step->uid, step->job_id,
		 step->step_id);
	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
		if (is_folder(paths[i]) && bind_into(paths[i], paths[i], true, false) < 0)
			return -1;
	return 0;
}

static int mount_one_request(const struct mount_request *mount)
{
	char source[PATH_MAX];

	if (strcmp(mount->source, "tmpfs") == 0)
		return mount_tmpfs(mount->target, "mode=0755");
	if (realpath(mount->source, source) == NULL) {
		report_add("--container-mounts: source path does not exist: %s", mount->source);
		return -1;
	}
	return bind_into(source, mount->target, mount->recursive, mount->read_only);
}

static int mount_requests(const struct step *step)
{
	if (request.mount_home && *step->home != '\0' && bind_into(step->home, step->home, true, false) < 0)
		return -1;
	for (size_t i = 0; i < request.mount_count; i++)
		if (mount_one_request(&request.mounts[i]) < 0)
			return -1;
	return 0;
}

/* Make the new root the only one: nothing else of the host can be reached from here on. */
static int enter_root(void)
{
	if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0) {
		report_add("    [ERROR] Could not change the root: %s", strerror(errno));
		return -1;
	}
	if (request.read_only && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0) {
		report_add("    [ERROR] Could not make the root read-only: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int rootfs_build(const struct step *step)
{
	if (mount_layers(step) < 0) {
		report_add("failed to create container filesystem for image: %s", request.image);
		return -1;
	}
	if (mount_node_parts() < 0 || mount_pmix(step) < 0 || mount_requests(step) < 0 || enter_root() < 0) {
		report_add("couldn't start container");
		return -1;
	}
	return 0;
}
