"""Names of signatures that code asks for."""

RANK_KILLED, RANK_ENDED, STEP_ENDED = "rank-killed", "rank-ended", "step-ended"
TASK_END = "task-end"
STEP_CANCELLED, JOB_ENDED, NODE_UNFIT = "step-cancelled", "job-ended", "node-unfit"
NODE_SILENT, SERVICE_SILENT = "node-silent", "service-silent"
HANG, INSTANCE_GONE, RANK_STOPPED = "hang", "instance-gone", "rank-stopped"
GPU_HELD, GPU_LEFT = "gpu-held", "gpu-left"
