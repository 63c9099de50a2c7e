"""Keys of the commands that make models, projects and images, and of those that say what is there."""

OBJECTS = {
    "error": """
error | failure | - | in place of the result
""",
    "failure": """
kind | text | - | name of the error, see [exit codes](profiling.md#exit-codes); `Interrupted` after Ctrl-C
what | text | - | what happened
where | text | - | the file, option, layer or device it happened in
next_step | text | - | what to do about it
exit_code | integer | number | with which the command ends
""",
    "train": """
model | text? | - | name of the network; null where `--view` makes none
results | {result} | - | by policy and by decision point: how good it is on the held-out samples, in integers
budget | number | BitOPs of all at 8x8, 0..1 | that was asked for
over_budget | boolean | - | whether the policy `dynamic` costs more than it on the held-out samples
best_epoch | integer | number, from 1 | the epoch that was kept
log | [epoch] | - | a row for each epoch
files | [text] | - | what was written
""",
    "result": """
metrics | {number} | by figure: shares 0..1, errors in the data's unit | [figures](tasks.md#figures) of the task
intervals | {[number]} | as the figure | least and most, with 95 % confidence
accuracy | number? | share, 0..1 | of right answers; not for tasks without classes
per_class | {[integer]} | samples | by class: right, and all
iou | {number} | share, 0..1 | of a map, by class: intersection over union
outputs | {{number}} | errors in the data's unit | of several numbers, by output and figure
samples | integer | samples | that were judged
compared | integer | samples | of them the interpreter repeated
bitops_ratio | number | BitOPs of all at 8x8, 0..1 | mean; of a decision point the multiply-accumulates up to it
width_vectors | {integer} | samples | of `dynamic`: how many got each width vector
vector | text | - | of `static`: its width vector
validation_quality | number | as the main figure | of `static`: on the validation samples that it was chosen by
""",
    "epoch": """
epoch | integer | number, from 1 | of the epoch
phase | text | - | `float` in the warm-up, then `nested`
loss | number | as the loss | mean over the epoch
metric | text | - | the figure that `train` and `val_` hold
train | number | per cent, or the data's unit | on the training images as they were shown
val_float | number | per cent, or the data's unit | on the validation set in floating point
val_full | number | per cent, or the data's unit | the same at 8x8
val_least | number | per cent, or the data's unit | the same at the least widths
val_dynamic | number | per cent, or the data's unit | the same under the controller
val_<point>_exit | number | per cent, or the data's unit | the same of a decision point's answers
val_cost | number | BitOPs of all at 8x8, 0..1 | of the dynamic pass
vectors | integer | width vectors | different ones that the controller chose
val_loss | number | as the loss | on the validation set
val_score | number | as the figure | what the best epoch is chosen by
best | boolean | - | whether it is the best so far
""",
    "train --heads-only": """
model | text | - | name of the network
made_by | text | - | the version that trained
options | object | - | of the run, by the names of [`train_heads`](api/train_heads.md)
data | head data | - | what was learned from
widths | [text] | - | width vectors of the passes that were learned from
macs_share | number | share, 0.. | of the network's multiply-accumulates that all heads take
full | {number} | shares, 0..1 | figures of the full network
points | [head] | - | each decision point
versions | {text} | - | of Python and the packages
log | [head epoch] | - | a row for each epoch of each head
files | [text] | - | what was written
""",
    "head data": """
name | text | - | of the data
train | integer | samples | learned from
copies | integer | copies | moved or mirrored ones, for each sample
validation | integer | samples | that judged
""",
    "head": """
name | text | - | of the decision point
after | text | - | layer that it lies behind
macs_before | number | share, 0..1 | of the network's multiply-accumulates up to there
why | text | - | why there
head | text | - | its form
macs | integer | MAC | of the head
best_epoch | integer | number, from 1 | that was kept
figures | {head figures} | - | by widths: what the point answers alone
""",
    "head figures": """
agreement | number | share, 0..1 | of answers that are the full network's
accuracy | number | share, 0..1 | of right answers
mean_recall | number | share, 0..1 | mean over the classes
stops | [stop] | - | margins from which on answers agree that often
""",
    "stop": """
agreement_at_least | number | share, 0..1 | that is kept
margin | integer | codes | least one
share | number | share, 0..1 | of samples that stop there
agreement | number | share, 0..1 | of these
""",
    "head epoch": """
point | text | - | that learns
epoch | integer | number, from 1 | of the epoch
epochs | integer | epochs | of the run
phase | text | - | `float`, then `integer`
loss | number | nats | mean over the epoch
val_loss | number | nats | on the validation samples
best | boolean | - | whether it is the best so far
""",
    "import": """
model | text | - | name of the model
task | text | - | what its outputs stand for
layers | integer | layers | of the checkpoint
adaptive_layers | integer | layers | that may run at several widths
macs | integer | MAC | of an inference
weights | integer | weights | of all layers
candidates | text | - | width pairs
channels_last | [text] | - | tensors that take channels last, though the file has them first
score | imported score? | - | at 8x8 on `--data`; null without it
files | [text] | - | what was written
""",
    "imported score": """
samples | integer | samples | that were judged
metrics | {number} | by figure: shares 0..1, errors in the data's unit | figures of the task
intervals | {[number]} | as the figure | least and most, with 95 % confidence
accuracy | number? | share, 0..1 | of right answers; not for tasks without classes
per_class | {[integer]} | samples | by class: right, and all
iou | {number} | share, 0..1 | of a map, by class: intersection over union
outputs | {{number}} | errors in the data's unit | of several numbers, by output and figure
""",
    "check": """
board | text | - | id of the board
predicted | sizes | - | of the whole image
spare | room | - | what the board has left
dial | [number] | BitOPs of all at 8x8, 0..1 | targets of the model's dial
estimate | text | - | what is known of the time, in words
decisions | [text] | - | worst case of a model with decision points, in words
models | [ends] | - | of the image
layers | [planned layer] | - | in the order of execution
""",
    "sizes": """
flash | integer | bytes | code, weights and tables
ram | integer | bytes | arena, stack, variables and buffers
code | integer | bytes | instructions and their constants
weights | integer | bytes | as the kernels read them
tables | integer | bytes | what describes the layers
arena | integer | bytes | all that lives during an inference
stack | integer | bytes | reserved
run_stack | integer | bytes | that `dqt_run()` takes
decide_stack | integer | bytes | that `dqt_decide()` takes, of a model with decision points
static | integer | bytes | variables
buffers | integer | bytes | of the serial server
compiler | text? | - | version that the code was measured with; null for an upper bound
exact | boolean | - | false for an upper bound
basis | text | - | how the sizes are known
peaks | [peak] | - | what fills each model's arena most
""",
    "peak": """
model | text | - | name of the model
tensors | integer | bytes | that live together
scratch | integer | bytes | of the layer
lower_bound | integer | bytes | below which no plan can go
layer | text | - | during which the arena is fullest
map | [region] | - | what lies there then
""",
    "region": """
what | text | - | a tensor, or scratch
offset | integer | bytes | from the start of the arena
size | integer | bytes | of the region
""",
    "room": """
flash | integer | bytes | left; below 0: missing
ram | integer | bytes | left; below 0: missing
""",
    "ends": """
name | text | - | of the model
inputs | [end] | - | in the order of the C interface
outputs | [end] | - | likewise
states | integer | tensors | kept in the arena between inferences
""",
    "end": """
name | text | - | of the tensor
shape | [integer] | elements | height, width, channels
size | integer | bytes | of its codes
scale | number | the data's unit | of one code
zero_point | integer | code | that stands for 0
""",
    "planned layer": """
name | text | - | of the layer
kernel | text | - | that runs it
shape | [integer] | elements | of the output
macs | integer | MAC | of an inference
flash | integer | bytes | of weights and tables
ram | integer | bytes | of the output
scratch | integer | bytes | that the kernel needs
candidates | [text] | - | width pairs
estimated_cycles | [integer?] | cycles | at each of these; null where no kernel was measured
bound | integer | 1 | largest value that an accumulator can reach, below 2^31
""",
    "check of several boards": """
model | text | - | name of the model
boards | [rank] | - | those that it fits by time, then the others by what is missing
""",
    "rank": """
board | text | - | id of the board
core | text | - | its core
hz | integer? | Hz | clock of the core; null where it is not known
fits | boolean | - | whether it does
spare | room? | - | what the board has left; null where a layer has no kernel
needs | room? | - | what the image takes
exact | boolean | - | false for an upper bound
estimated_cycles | integer? | cycles | of an inference at the first widths
layers_without_estimate | integer | layers | that the cycles leave out
milliseconds | number? | ms | the same as time at the clock
reason | text? | - | why it does not fit
changes | [text] | - | what to change where it does not fit
""",
    "export": """
folder | text | - | of the project
board | text | - | id of the board
models | [exported model] | - | in the order of the command
predicted | sizes? | - | of the whole image; null for `host`
trigger | exported trigger? | - | the pin of `--trigger-pin`; null without it
watchdog | exported watchdog? | - | of `--watchdog`; null without it
""",
    "exported trigger": """
pin | text | - | that is high while the model runs, as the chip's manual names it
where | text | - | on the board
""",
    "exported watchdog": """
name | text | - | of the chip's watchdog
seconds | number | s | nominal time-out
soonest | number | s | the shortest that it may be, as its clock is off
latest | number | s | the longest
""",
    "exported model": """
name | text | - | of the model
symbol | text | - | of its C names
hash | text | - | SHA-256 of the model, hexadecimal
checkpoint | text | - | in the folder; not of a library
arena | integer | bytes | that its caller gives
inputs | [end] | - | in the order of the C interface
outputs | [end] | - | likewise
states | integer | tensors | kept in the arena between inferences
classes | [text] | - | names
dial | [number] | BitOPs of all at 8x8, 0..1 | targets of its dial
settings | exported setting | - | of a tuned model
layers | [exported layer] | - | in the order of execution
""",
    "exported setting": """
points | [exported point] | - | decision points
second_pass | boolean | - | whether the image can compute an answer again
tuned | [promise] | - | settings, the cheapest first
""",
    "exported point": """
name | text | - | of the decision point
after | text | - | layer that it lies behind
""",
    "promise": """
cost | number | share of the full network's cost | mean
agreement | number | share, 0..1 | of answers that are the full network's
""",
    "exported layer": """
name | text | - | of the layer
kernel | text | - | that runs it
shape | [integer] | elements | of the output
macs | integer | MAC | of an inference
adaptive | boolean | - | whether its widths may change
controller | boolean | - | whether it belongs to the controller
point | text | - | decision point that it belongs to
candidates | [text] | - | width pairs
accumulator_bound | integer | 1 | largest value that an accumulator can reach, below 2^31
""",
    "export --as": """
folder | text | - | of the library
board | text | - | id of the board, for whose core the kernels are
outlet | text | - | build system
id | text | - | of the library there
next_step | text | - | what to do with the folder
models | [exported model] | - | in the order of the command
predicted | library sizes? | - | what the models take; null for `host`
""",
    "library sizes": """
weights | integer | bytes | as the kernels read them
tables | integer | bytes | what describes the layers
arena | integer | bytes | of the largest model
run_stack | integer | bytes | that `dqt_run()` takes
decide_stack | integer | bytes | that `dqt_decide()` takes, of a model with decision points
compiler | text? | - | version that the code was measured with; null for an upper bound
exact | boolean | - | false for an upper bound
basis | text | - | how the sizes are known
""",
    "build": """
elf | text | - | the image
flash | integer | bytes | that the ELF states; 0 for `host`
ram | integer | bytes | likewise
predicted | sizes? | - | what the export said; null for `host`
""",
    "flash": """
image | text | - | ELF file
board | text | - | id of the board
runner | text | - | software of the debug probe, or `uf2`
missing | text? | - | why the runner could not work
erase | [span] | - | sectors
write | [span] | - | segments
commands | [text] | - | what is done, as a person could type it
done | boolean | - | whether it was written and verified; false with `--dry-run`
model_hash | text? | - | SHA-256 with which the board answered; null where it was not asked
""",
    "span": """
address | integer | address | of the first byte
size | integer | bytes | of it
""",
    "boards": """
boards | [object] | - | keys of a [board's file](boards.md)
""",
    "doctor": """
findings | [finding] | - | each thing that was looked for
""",
    "finding": """
name | text | - | of the tool, package or port
ok | boolean | - | whether it is there
found | text | - | version or place; empty where nothing was found
purpose | text | - | what needs it
advice | text | - | how to get it
required | boolean | - | whether `export` and `build` need it
""",
}
