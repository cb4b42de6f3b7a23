/* Show an image file as a folder: by the mount the testbed made of it, else by one of our own. */
#define _GNU_SOURCE
#include "pyxis.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOOP_MAJOR 7
#define LOOP_ATTEMPTS 64
static const char squashfs_magic[4] = { 'h', 's', 'q', 's' };

static bool is_squashfs(const char *path)
{
	char start[sizeof(squashfs_magic)];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool same;

	if (fd < 0)
		return false;
	same = read(fd, start, sizeof(start)) == (ssize_t)sizeof(start) &&
	       memcmp(start, squashfs_magic, sizeof(start)) == 0;
	close(fd);
	return same;
}

/* The mount the testbed made at its start, if it is of this very file; see image_key in paths.py. */
static bool shared_mount(const struct step *step, const struct stat *facts, char *folder, size_t size)
{
	struct stat there;
	struct stat parent;

	snprintf(folder, size, "%s/%jx-%jx-%jx-%jx", step->images, (uintmax_t)facts->st_dev,
		 (uintmax_t)facts->st_ino, (uintmax_t)facts->st_size, (uintmax_t)facts->st_mtim.tv_sec);
	/* An empty folder left there is no mount: a mount is on another device than its parent. */
	return stat(folder, &there) == 0 && stat(step->images, &parent) == 0 && there.st_dev != parent.st_dev;
}

/* Attach `image` to loop device `number`; the kernel detaches it with the last mount of it. */
static int attach(const struct step *step, int number, int image_fd, const char *scratch,
		  char device[PATH_MAX])
{
	struct loop_config config = { 0 };
	int fd;

	snprintf(device, PATH_MAX, "%s/loop%d", scratch, number);
	if (mknod(device, S_IFBLK | 0600, makedev(LOOP_MAJOR, number)) < 0 && errno != EEXIST)
		return -1;
	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	config.fd = image_fd;
	config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
	memcpy(config.info.lo_file_name, step->tag, sizeof(config.info.lo_file_name) - 1);
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
		int reason = errno;

		close(fd);
		errno = reason;
		return -1;
	}
	return fd;
}

/* Another step may take the free device first: then the next one is tried. */
static int attach_to_free(const struct step *step, int image_fd, const char *scratch,
			  char device[PATH_MAX])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int fd = -1;

	for (int attempt = 0; control >= 0 && fd < 0 && attempt < LOOP_ATTEMPTS; attempt++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		fd = number < 0 ? -1 : attach(step, number, image_fd, scratch, device);
		if (fd < 0 && errno != EBUSY)
			break;
	}
	if (control >= 0)
		close(control);
	return fd;
}

static int own_mount(const struct step *step, const char *image, const char *scratch, const char *folder)
{
	char device[PATH_MAX];
	int image_fd = open(image, O_RDONLY | O_CLOEXEC);
	int loop_fd = image_fd < 0 ? -1 : attach_to_free(step, image_fd, scratch, device);
	int result = -1;

	if (loop_fd >= 0)
		result = mount(device, folder, "squashfs", MS_RDONLY | MS_NODEV, NULL);
	if (result < 0)
		report_add("    [ERROR] Could not mount %s: %s", image, strerror(errno));
	if (loop_fd >= 0)
		close(loop_fd);
	if (image_fd >= 0)
		close(image_fd);
	return result;
}

const char *image_mount(const struct step *step, const char *image, const char *scratch)
{
	static char folder[PATH_MAX + 128];
	struct stat facts;

	if (stat(image, &facts) < 0) {
		report_add("    [ERROR] No such file or directory: %s", image);
		return NULL;
	}
	if (!S_ISREG(facts.st_mode) || !is_squashfs(image)) {
		report_add("    [ERROR] Invalid image format: %s", image);
		return NULL;
	}
	if (shared_mount(step, &facts, folder, sizeof(folder)))
		return folder;
	snprintf(folder, sizeof(folder), "%s/image", scratch);
	if (mkdir(folder, 0755) < 0 || own_mount(step, image, scratch, folder) < 0)
		return NULL;
	return folder;
}
