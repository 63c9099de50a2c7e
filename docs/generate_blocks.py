"""What the pages take from the code, by name: tables whose facts are the code's, and numbers within a sentence."""

from __future__ import annotations

from collections.abc import Callable

import generate_device as device
import generate_house as house
import generate_importing as importing
import generate_json as json_page
import generate_shapes as shapes
import generate_use as use
from generate_table import HAND, Table, constant, number

from dqt_edge import boards, graph
from dqt_edge.device import messages
from dqt_edge.project import footprint

__all__ = ["BLOCKS", "HAND", "Table"]

BLOCKS: dict[str, Callable[[], str | Table]] = {
    "operators": importing.operator_table,
    "zoo": importing.zoo_table,
    "random-networks": importing.random_networks_table,
    "message-types": device.message_types,
    "protocol-numbers": device.protocol_numbers,
    **{f"record-{made.name}": device.record(made) for made in messages.RECORDS},
    "naks": device.naks,
    "timeouts": device.timeouts,
    **{f"board-{cls.__name__.lower()}": device.board_keys(cls) for cls in (
        boards.Board, boards.Cpu, boards.Memory, boards.Runner, boards.Serial, boards.Counter, boards.Qemu,
        boards.Flash, boards.Uf2, boards.Trigger, boards.Watchdog)},
    "shipped-boards": device.shipped_boards,
    "flash-runners": device.flash_runners,
    "trigger-pins": device.trigger_pins,
    "watchdogs": device.watchdogs,
    "port-contract": device.port_contract,
    "margins": device.margins,
    "protection-bytes": device.protection_bytes,
    "shape-means": shapes.means,
    "shapes-slower": shapes.slower,
    **{f"shapes-{core}": shapes.layers(core) for core in shapes.CORES},
    "commands": use.commands,
    "command-options": use.command_options,
    "every-command": use.every_command,
    "json-keys": json_page.json_keys,
    "exit-codes": use.exit_codes,
    "train-options": use.train_options,
    "models": use.models,
    "log-columns": use.log_columns,
    "method-numbers": use.method_numbers,
    "nested-cost": lambda: number(constant("training/pace.py", "NESTED_COST")),
    "static-vectors": lambda: number(constant("precision/static.py", "EXHAUSTIVE_MAX")),
    "stream-paths": lambda: number(constant("measure/modelled.py", "PATHS_MAX")),
    "graph-fields": use.fields_of(graph.Graph),
    "tensor-fields": use.fields_of(graph.Tensor),
    "state-fields": use.fields_of(graph.State),
    "controller-fields": use.fields_of(graph.Controller),
    "dial-fields": use.fields_of(graph.DialPoint),
    "layer-types": use.layer_types,
    "checkpoint-limits": use.checkpoint_limits,
    "descriptors": house.descriptors,
    "fault-frame": lambda: str(footprint.FAULT_FRAME),
    "statuses": house.statuses,
    "project-folders": house.project_folders,
    "rooms": house.rooms,
    "outside": house.outside,
    "import-layers": house.import_layers,
    "import-rules": house.import_rules,
    "kernel-arguments": house.kernel_arguments,
    "onnx-operators": importing.onnx_operators,
    "onnx-refusals": importing.onnx_refusals,
    "keras-layers": importing.keras_layers,
    "keras-operations": importing.keras_operations,
    "keras-refusals": importing.keras_refusals,
    "tflite-operators": importing.tflite_operators,
    "tflite-refusals": importing.tflite_refusals,
}  # fmt: skip
