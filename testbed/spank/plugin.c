/* The functions that Slurm calls, in srun and in the step's daemon on each node. */
#include "pyxis.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

SPANK_PLUGIN(pyxis, 1)

/* Whose behaviour is followed, and that it is not Pyxis itself. */
#define PYXIS_VERSION "0.20.0+emulated"

static struct step step;
static int prepared;

/* plugstack.conf gives `images=FOLDER spool=FOLDER tag=NAME`. */
static void read_arguments(int count, char **arguments)
{
	for (int i = 0; i < count; i++) {
		if (strncmp(arguments[i], "images=", 7) == 0)
			snprintf(step.images, sizeof(step.images), "%s", arguments[i] + 7);
		if (strncmp(arguments[i], "spool=", 6) == 0)
			snprintf(step.spool, sizeof(step.spool), "%s", arguments[i] + 6);
		if (strncmp(arguments[i], "tag=", 4) == 0)
			snprintf(step.tag, sizeof(step.tag), "%s", arguments[i] + 4);
	}
}

static int read_step(spank_t sp)
{
	if (spank_get_item(sp, S_JOB_UID, &step.uid) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_ID, &step.job_id) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_STEPID, &step.step_id) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_TOTAL_TASK_COUNT, &step.task_count) != ESPANK_SUCCESS)
		return -1;
	if (spank_getenv(sp, "HOME", step.home, sizeof(step.home)) != ESPANK_SUCCESS)
		step.home[0] = '\0';
	/* A node's host name is its Slurm name in the testbed. */
	return gethostname(step.node, sizeof(step.node));
}

/*
 * Processes that leave their parents stay below the step's daemon, where Slurm's linuxproc tracking
 * finds them and ends them with the step, as cgroup tracking does on a site.
 */
static void keep_orphans(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		slurm_error("could not keep the step's orphans: %s", strerror(errno));
}

int slurm_spank_init(spank_t sp, int count, char **arguments)
{
	spank_context_t context = spank_context();

	if (context == S_CTX_SLURMD)
		slurm_info("pyxis: version v" PYXIS_VERSION);
	if (context != S_CTX_LOCAL && context != S_CTX_REMOTE)
		return 0;
	if (context == S_CTX_REMOTE)
		keep_orphans();
	read_arguments(count, arguments);
	return options_register(sp);
}

int slurm_spank_init_post_opt(spank_t sp, int count, char **arguments)
{
	(void)sp, (void)count, (void)arguments;
	if (spank_context() == S_CTX_LOCAL)
		options_warn_about_unused();
	return 0;
}

/* Slurm shows the user no error of this function: it is kept, and told by the first task. */
int slurm_spank_user_init(spank_t sp, int count, char **arguments)
{
	(void)count, (void)arguments;
	if (!options_ask_for_container())
		return 0;
	prepared = read_step(sp);
	if (prepared == 0)
		prepared = container_prepare(&step);
	else
		report_add("couldn't get the step's facts from Slurm");
	return 0;
}

int slurm_spank_task_init(spank_t sp, int count, char **arguments)
{
	int local_task = 0;

	(void)count, (void)arguments;
	if (!options_ask_for_container())
		return 0;
	if (prepared == 0 && container_join() == 0)
		return environment_apply(sp);
	spank_get_item(sp, S_TASK_ID, &local_task);
	if (local_task == 0)
		report_tell();
	else
		slurm_error("pyxis: container was not started successfully by another task");
	return -1;
}

int slurm_spank_job_epilog(spank_t sp, int count, char **arguments)
{
	uint32_t job_id;

	(void)count, (void)arguments;
	if (spank_get_item(sp, S_JOB_ID, &job_id) == ESPANK_SUCCESS)
		container_forget_names(job_id);
	return 0;
}
