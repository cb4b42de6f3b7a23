/* The options of Pyxis, registered with srun and parsed again on every node. */
#include "pyxis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request request;

enum { IMAGE = 1, MOUNTS, WORKDIR, NAME, ENVIRONMENT, HOME_ON, HOME_OFF, WRITABLE, READ_ONLY, ACCEPTED };

/* srun hands an option in more than once (environment, command line); only a new value is an error. */
static int set_once(char **field, const char *option, const char *value)
{
	if (value == NULL || *value == '\0') {
		slurm_error("pyxis: --%s: argument required", option);
		return -1;
	}
	if (*field != NULL && strcmp(*field, value) != 0) {
		slurm_error("pyxis: --%s specified multiple times", option);
		return -1;
	}
	if (*field == NULL)
		*field = strdup(value);
	return *field == NULL ? -1 : 0;
}

/* Mount flags are separated with "+"; the ones that change nothing here are accepted as they are. */
static int parse_mount_flags(struct mount_request *mount, char *flags)
{
	static const char *const without_effect[] = {
		"rbind", "private", "rprivate", "slave", "rslave", "nosuid", "nodev", "noexec",
	};
	char *flag;

	while ((flag = strsep(&flags, "+")) != NULL) {
		bool known = false;

		if (strcmp(flag, "ro") == 0)
			mount->read_only = known = true;
		if (strcmp(flag, "rw") == 0)
			known = true, mount->read_only = false;
		if (strcmp(flag, "bind") == 0)
			known = true, mount->recursive = false;
		for (size_t i = 0; i < ARRAY_LENGTH(without_effect); i++)
			known = known || strcmp(flag, without_effect[i]) == 0;
		if (!known)
			return -1;
	}
	return 0;
}

static bool is_path(const char *text)
{
	return *text == '/' || *text == '.';
}

/* Fill `mount` from the parts of SRC[:DST[:FLAGS]]; "SRC" alone is mounted at its own path. */
static int fill_mount(struct mount_request *mount, char *entry)
{
	char *rest = entry;
	char *source = strsep(&rest, ":");
	char *target = rest == NULL ? source : strsep(&rest, ":");

	if (*source == '\0' || *target == '\0')
		return -1;
	if (!is_path(source) && strcmp(source, "tmpfs") != 0) {
		slurm_error("pyxis: mount source must be a relative path, an absolute path or \"tmpfs\"");
		return -1;
	}
	if (!is_path(target)) {
		slurm_error("pyxis: mount target must be a relative path or an absolute path");
		return -1;
	}
	mount->source = strdup(source);
	mount->target = strdup(target);
	mount->recursive = true;
	if (mount->source == NULL || mount->target == NULL)
		return -1;
	return rest == NULL || *rest == '\0' ? 0 : parse_mount_flags(mount, rest);
}

static bool have_mount(const struct mount_request *wanted)
{
	for (size_t i = 0; i < request.mount_count; i++) {
		const struct mount_request *other = &request.mounts[i];

		if (strcmp(other->source, wanted->source) == 0 && strcmp(other->target, wanted->target) == 0 &&
		    other->read_only == wanted->read_only)
			return true;
	}
	return false;
}

static int add_mount(const char *entry)
{
	struct mount_request mount = { 0 };
	char *copy = strdup(entry);
	int result = copy == NULL ? -1 : fill_mount(&mount, copy);

	free(copy);
	if (result < 0) {
		slurm_error("pyxis: --container-mounts: invalid format: %s", entry);
		return -1;
	}
	if (have_mount(&mount))
		return 0;
	if (request.mount_count == MAX_MOUNTS) {
		slurm_error("pyxis: --container-mounts: more than %d mounts", MAX_MOUNTS);
		return -1;
	}
	request.mounts[request.mount_count++] = mount;
	return 0;
}

static int add_environment_name(const char *name)
{
	if (*name == '\0' || request.environment_count == MAX_NAMES) {
		slurm_error("pyxis: --container-env: invalid format: empty name, or too many names");
		return -1;
	}
	for (size_t i = 0; i < request.environment_count; i++)
		if (strcmp(request.environment[i], name) == 0)
			return 0;
	request.environment[request.environment_count++] = strdup(name);
	return 0;
}

/* Call `add` for each element of a comma-separated list. */
static int for_each_element(const char *option, const char *list, int (*add)(const char *))
{
	char *copy, *rest, *element;
	int result = 0;

	if (list == NULL || *list == '\0') {
		slurm_error("pyxis: --%s: argument required", option);
		return -1;
	}
	rest = copy = strdup(list);
	while (copy != NULL && result == 0 && (element = strsep(&rest, ",")) != NULL)
		result = add(element);
	free(copy);
	return result;
}

/* --container-name=NAME[:FLAG]; the flag is accepted, and "auto" is what is done. */
static int set_name(const char *value)
{
	static const char *const flags[] = { "auto", "create", "exec", "no_exec" };
	char name[256];
	char *flag;
	bool known = false;

	snprintf(name, sizeof(name), "%s", value == NULL ? "" : value);
	flag = strchr(name, ':');
	if (flag != NULL)
		*flag++ = '\0';
	for (size_t i = 0; flag != NULL && i < ARRAY_LENGTH(flags); i++)
		known = known || strcmp(flag, flags[i]) == 0;
	if (strchr(name, '/') != NULL || (flag != NULL && !known)) {
		slurm_error("pyxis: --container-name: invalid name or flag: %s", value);
		return -1;
	}
	return set_once(&request.name, "container-name", name);
}

static int take_option(int option, const char *value, int remote)
{
	(void)remote;
	switch (option) {
	case IMAGE:
		return set_once(&request.image, "container-image", value);
	case WORKDIR:
		return set_once(&request.workdir, "container-workdir", value);
	case NAME:
		return set_name(value);
	case MOUNTS:
		return for_each_element("container-mounts", value, add_mount);
	case ENVIRONMENT:
		return for_each_element("container-env", value, add_environment_name);
	case HOME_ON:
	case HOME_OFF:
		request.mount_home = option == HOME_ON;
		return 0;
	case WRITABLE:
	case READ_ONLY:
		request.read_only = option == READ_ONLY;
		return 0;
	default:
		return 0;
	}
}

static struct spank_option table[] = {
	{ "container-image", "PATH", "[pyxis] the image for the container's root: a squashfs file", 1, IMAGE,
	  take_option },
	{ "container-mounts", "SRC:DST[:FLAGS][,SRC:DST...]",
	  "[pyxis] bind mounts inside the container; flags are separated with \"+\"", 1, MOUNTS, take_option },
	{ "container-workdir", "PATH", "[pyxis] working directory inside the container", 1, WORKDIR, take_option },
	{ "container-name", "NAME", "[pyxis] keep the container under this name for later steps of the job", 1,
	  NAME, take_option },
	{ "container-env", "NAME[,NAME...]", "[pyxis] variables whose host value wins over the image's", 1,
	  ENVIRONMENT, take_option },
	{ "container-mount-home", NULL, "[pyxis] bind mount the home directory", 0, HOME_ON, take_option },
	{ "no-container-mount-home", NULL, "[pyxis] do not bind mount the home directory", 0, HOME_OFF,
	  take_option },
	{ "container-writable", NULL, "[pyxis] make the container's root writable", 0, WRITABLE, take_option },
	{ "container-readonly", NULL, "[pyxis] make the container's root read-only", 0, READ_ONLY, take_option },
	{ "container-remap-root", NULL, "[pyxis] accepted: jobs of the testbed are root's", 0, ACCEPTED,
	  take_option },
	{ "no-container-remap-root", NULL, "[pyxis] accepted: jobs of the testbed are root's", 0, ACCEPTED,
	  take_option },
	{ "container-entrypoint", NULL, "[pyxis] accepted: images of the testbed have no entrypoint", 0, ACCEPTED,
	  take_option },
	{ "no-container-entrypoint", NULL, "[pyxis] accepted: images of the testbed have no entrypoint", 0,
	  ACCEPTED, take_option },
	SPANK_OPTIONS_TABLE_END
};

int options_register(spank_t sp)
{
	for (struct spank_option *option = table; option->name != NULL; option++)
		if (spank_option_register(sp, option) != ESPANK_SUCCESS) {
			slurm_error("pyxis: could not register --%s", option->name);
			return -1;
		}
	return 0;
}

bool options_ask_for_container(void)
{
	return request.image != NULL || request.name != NULL;
}

void options_warn_about_unused(void)
{
	static const char words[] = "because neither --container-image nor --container-name is set";

	if (options_ask_for_container())
		return;
	if (request.mount_count > 0)
		slurm_error("pyxis: ignoring --container-mounts %s", words);
	if (request.workdir != NULL)
		slurm_error("pyxis: ignoring --container-workdir %s", words);
	if (request.environment_count > 0)
		slurm_error("pyxis: ignoring --container-env %s", words);
}
