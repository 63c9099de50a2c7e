"""The network of a run, with its first weights."""

from __future__ import annotations

from dataclasses import replace

from ..architectures.models import spec_of
from ..architectures.spec import MacNode, shapes
from ..data.dataset import Dataset
from .initial import Initial, load_initial
from .network import NestedModel
from .options import Options
from .places import with_points
from .purpose import names_for, output_coding, outputs_for, suited, task_for


def build_model(options: Options, dataset: Dataset, initial: Initial | None = None) -> NestedModel:
    """Make the network of a run, with its first weights."""
    given = initial.spec if initial is not None and options.model == options.init else None
    output = None if given is None else shapes(given, dataset.shape)[given.nodes[-1].name]
    task = task_for(options, dataset, output)
    dataset = suited(dataset, task)
    spec = given or spec_of(options.model, outputs_for(task, dataset))
    coding = output_coding(task, dataset)
    last = spec.nodes[-1]
    if coding is not None and isinstance(last, MacNode):  # codes end where the targets do, so no ReLU has to
        spec = replace(spec, nodes=(*spec.nodes[:-1], replace(last, relu=False, limit=None)))
    spec = with_points(spec, options.points, dataset.shape, task)
    if options.controller == "none" or (options.controller == "auto" and spec.points):
        spec = replace(spec, control=None)
    made = shapes(spec, dataset.shape)[last.name]
    model = NestedModel(
        spec,
        dataset.shape,
        names_for(task, dataset, made),
        candidates=options.candidates,
        input_scale=dataset.input_scale,
        input_zero_point=dataset.input_zero_point,
        task=task,
        output_coding=coding,
        view=options.view,
        learned=options.scales == "learned",
    )
    if initial is not None:
        load_initial(model, initial.for_spec(spec))
    return model
