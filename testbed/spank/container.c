/* One container per step and node: made by a short-lived child, kept by a descriptor, joined by tasks. */
#define _GNU_SOURCE
#include "pyxis.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static const char names_folder[] = "/run/container-names";
static int namespace_fd = -1;

static void name_path(char *path, size_t size, uint32_t job_id, const char *name)
{
	snprintf(path, size, "%s/%u.%s", names_folder, job_id, name);
}

/* In the child: a mount namespace of its own with the container in it. */
static int build_in_own_namespace(const struct step *step)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		report_add("could not make a mount namespace: %s", strerror(errno));
		return -1;
	}
	return rootfs_build(step);
}

/* The child reports an empty text for success, then waits until its namespace has been taken. */
static void run_child(const struct step *step, int report_fd, int hold_fd)
{
	int result = build_in_own_namespace(step);
	const char *text = report_text();
	char byte;

	if (result < 0 && *text == '\0')
		report_add("could not make the container: %s", strerror(errno));
	if (result < 0 && write(report_fd, text, strlen(text)) < 0)
		_exit(2);
	close(report_fd);
	if (read(hold_fd, &byte, 1) < 0)
		_exit(2);
	_exit(result < 0 ? 1 : 0);
}

static void read_report(int fd)
{
	char text[8192];
	size_t used = 0;
	ssize_t got;

	while ((got = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	if (used > 0)
		report_set(text);
}

/* In the parent: hear how it went, and keep the namespace by an open descriptor. */
static int take_from_child(pid_t child, int report_fd)
{
	char path[64];

	read_report(report_fd);
	if (*report_text() != '\0')
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)child);
	namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace_fd < 0)
		report_add("could not open the container's namespace: %s", strerror(errno));
	return namespace_fd < 0 ? -1 : 0;
}

static int create(const struct step *step)
{
	int report_pipe[2], hold_pipe[2];
	int result;
	pid_t child;

	if (pipe2(report_pipe, O_CLOEXEC) < 0 || pipe2(hold_pipe, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		report_add("could not start a process: %s", strerror(errno));
		return -1;
	}
	if (child == 0) {
		close(report_pipe[0]);
		close(hold_pipe[1]);
		run_child(step, report_pipe[1], hold_pipe[0]);
	}
	close(report_pipe[1]);
	close(hold_pipe[0]);
	result = take_from_child(child, report_pipe[0]);
	close(report_pipe[0]);
	close(hold_pipe[1]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}

/* Pin a named container's namespace to a file of the node, so that later steps of the job find it; sets errno. */
static int pin(const struct step *step)
{
	char path[PATH_MAX], source[64];
	int fd;

	name_path(path, sizeof(path), step->job_id, request.name);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", namespace_fd);
	fd = make_folders(names_folder) < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return mount(source, path, NULL, MS_BIND, NULL);
}

/*
 * The kernel refuses to pin a mount namespace (EINVAL) whose id is lower than the pinning one's: it takes it for an
 * older one. Kernels that deal ids to each CPU in blocks (seen on 6.18) give a new namespace a lower id on some CPUs,
 * but never on the one where the node's was made: each CPU is tried.
 */
static int create_pinned(const struct step *step)
{
	cpu_set_t allowed, one;
	int result = -1;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	errno = EINVAL;
	for (int cpu = 0; cpu < CPU_SETSIZE && result < 0 && errno == EINVAL; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		if (create(step) < 0) {
			sched_setaffinity(0, sizeof(allowed), &allowed);
			return -1;
		}
		result = pin(step);
		if (result < 0) {
			int reason = errno;
			close(namespace_fd);
			errno = reason;
		}
	}
	if (result < 0)
		report_add("could not keep container \"%s\": %s", request.name, strerror(errno));
	sched_setaffinity(0, sizeof(allowed), &allowed);
	return result;
}

static bool join_by_name(const struct step *step)
{
	char path[PATH_MAX];

	if (request.name == NULL)
		return false;
	name_path(path, sizeof(path), step->job_id, request.name);
	namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
	return namespace_fd >= 0;
}

/* Images of a registry cannot be had here: there is none. */
static int check_image_is_path(void)
{
	if (*request.image == '/' || *request.image == '.')
		return 0;
	report_add("failed to import docker image: %s", request.image);
	report_add("    [ERROR] No registry can be reached; give the path of a squashfs file");
	return -1;
}

int container_prepare(const struct step *step)
{
	if (join_by_name(step)) {
		if (request.mount_count > 0)
			slurm_spank_log("pyxis: ignoring --container-mounts when attaching to a running container");
		return 0;
	}
	if (request.image == NULL) {
		report_add("error: a container with name \"%s\" does not exist, and --container-image is not set",
			   request.name);
		return -1;
	}
	if (check_image_is_path() < 0)
		return -1;
	return request.name == NULL ? create(step) : create_pinned(step);
}

int container_join(void)
{
	const char *folder = request.workdir == NULL ? "/" : request.workdir;

	if (setns(namespace_fd, CLONE_NEWNS) < 0) {
		slurm_error("pyxis: couldn't join mount namespace: %s", strerror(errno));
		return -1;
	}
	if (chdir(folder) < 0) {
		slurm_error("pyxis: couldn't chdir to %s: %s", folder, strerror(errno));
		return -1;
	}
	return 0;
}

void container_forget_names(uint32_t job_id)
{
	DIR *folder = opendir(names_folder);
	struct dirent *entry;
	char prefix[32], path[PATH_MAX];

	if (folder == NULL)
		return;
	snprintf(prefix, sizeof(prefix), "%u.", job_id);
	while ((entry = readdir(folder)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", names_folder, entry->d_name);
		umount2(path, MNT_DETACH);
		unlink(path);
	}
	closedir(folder);
}
