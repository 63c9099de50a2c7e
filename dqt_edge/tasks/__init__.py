"""What outputs stand for: which targets they are judged by, how good they are, and how that is told."""

from .choose import every_output, infer, inputs_of, least_yes, reals, task_of, with_task
from .kinds import TASKS, headline, score_json
from .score import Figure, Score, main_text, stated
from .task import Head, Task

__all__ = [
    "TASKS",
    "Figure",
    "Head",
    "Score",
    "Task",
    "every_output",
    "headline",
    "infer",
    "inputs_of",
    "least_yes",
    "main_text",
    "reals",
    "score_json",
    "stated",
    "task_of",
    "with_task",
]
