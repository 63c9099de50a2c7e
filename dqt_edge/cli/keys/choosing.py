"""Keys of the commands that choose widths and settings: search, tune, evaluate, cost."""

OBJECTS = {
    "cost": """
model | text | - | as it was given
definitions | {text} | - | what each count is, in words
paper | text | - | what the paper states, in words
macs | integer | MAC | of all layers
weights | integer | weights | of all layers
inputs | integer | elements | that all layers read
layers | [costed layer] | - | in the order of execution
costs | {widths cost} | - | by width pair or vector
""",
    "costed layer": """
name | text | - | of the layer
kind | text | - | of operator
macs | integer | MAC | of an inference
weights | integer | weights | of the layer
inputs | integer | elements | that it reads
adaptive | boolean | - | whether it may be narrow
narrow_inputs | boolean | - | whether its activations may be
""",
    "widths cost": """
bitops | integer | BitOPs | of an inference
bitops_ratio | number | BitOPs of all at 8x8, 0..1 | the same in parts
transitions | integer | views | made in one inference, `T`
dequantising | integer | multiplications | of a system that dequantises, `2T`
device | integer | operations | that the kernels execute for these views
""",
    "search": """
model | text | - | name of the model
task | text | - | what its outputs stand for
data | text | - | name of the data
loss | text | - | `kl` or `mse`
calibration_samples | integer | samples | that chose the widths
test_samples | integer | samples | that judged them
overlap | boolean | - | whether the first were taken from the test set, and are not judged on
layers | [text] | - | adaptive ones
sensitivities | [sensitivity] | - | each layer alone at each pair, all others at their widest
board | text? | - | whose counts are the budget's unit
counts | search counts? | - | what layers take on it
points | [search point] | - | one for each budget, and one for each pair in all layers
interrupted | boolean | - | whether the search was stopped before its end
policy | text? | - | width vector of the first budget, for `--policy`; not in a report's `search.json` or in `try`
files | [text] | - | what was written; likewise
""",
    "sensitivity": """
layer | text | - | that is narrow
pair | text | - | its widths; `0x0`: skipped
loss | number | nats, or with `mse` the outputs' unit squared | of the outputs, with a bias of its own if that is kept
plain_loss | number | likewise | with the bias that all widths share
corrected | boolean | - | whether a bias of its own is kept
""",
    "search counts": """
unit | text | - | instructions or modelled cycles
fixed | number | `unit` | of all that has no choice
layers | {{number}} | `unit` | by layer and pair
""",
    "search point": """
origin | text | - | `search` or `uniform`
budget | number? | BitOPs of all at 8x8, 0..1, or `unit` | that it keeps; null for `uniform`
bitops_ratio | number | BitOPs of all at 8x8, 0..1 | of an inference
count | number? | `unit` | predicted of an inference, where a board was measured
loss | number | nats, or with `mse` the outputs' unit squared | from the widest widths, on the calibration samples
settled | boolean | - | whether biases were corrected for the vector as a whole
metrics | {number} | by figure: shares 0..1, errors in the data's unit | figures of the task on the held-out samples
intervals | {[number]} | as the figure | least and most, with 95 % confidence
accuracy | number? | share, 0..1 | of right answers; not for tasks without classes
per_class | {[integer]} | samples | by class: right, and all
iou | {number} | share, 0..1 | of a map, by class: intersection over union
outputs | {{number}} | errors in the data's unit | of several numbers, by output and figure
widths | text | - | width vector
""",
    "tune": """
model | text | - | name of the model
data | tuning data | - | that chose
options | tuning options | - | what was asked for
unit | text | - | of costs: `BitOPs`, or modelled cycles of the board
board | text? | - | whose cycles are counted
compiler | text? | - | that built what was counted
begins | [text] | - | width vectors that inferences may begin with
exact | boolean | - | whether all thresholds were tried
refined | number | share, 0..1 | by which the last refinement lowered the cost
full | {number} | BitOPs or cycles | by unit: an inference of the full network
exits | [exit figures] | - | each decision point alone
static | [static figures] | - | fixed width vectors
cascades | [cascade figures] | - | a narrow pass, and a wide one where its margin is small
points | [tuned point] | - | settings that were found
dropped | [text] | - | promises that another setting keeps for less
files | [text] | - | what was written
""",
    "tuning data": """
name | text | - | of the data
part | text | - | `validation`, `training` or `both`
samples | integer | samples | that chose
sha256 | text | - | of them
""",
    "tuning options": """
agree | [number] | shares, 0..1 | promises of agreement
costs | [number] | share of the full network's cost | promises of cost
by | text | - | what is best within a cost
stops | [integer]? | class numbers | that may be answered early; null: all
second_pass | boolean | - | whether an answer may be computed again
confidence | number? | share, 0..1 | of the bound that keeps promises
""",
    "exit figures": """
point | text | - | name of the decision point
costs | {number} | share of the full network's cost | by unit
agreement | number | share, 0..1 | of answers that are the full network's
accuracy | number | share, 0..1 | of right answers; with labels only
mean_recall | number | share, 0..1 | mean over the classes; with labels only
""",
    "static figures": """
widths | text | - | width vector
costs | {number} | share of the full network's cost | by unit
agreement | number | share, 0..1 | of answers that are the full network's
accuracy | number | share, 0..1 | of right answers; with labels only
mean_recall | number | share, 0..1 | mean over the classes; with labels only
""",
    "cascade figures": """
widths | text | - | of the first pass
again | integer | codes | margin below which there is a second pass
share | number | share, 0..1 | of second passes
costs | {number} | share of the full network's cost | by unit
agreement | number | share, 0..1 | of answers that are the full network's
accuracy | number | share, 0..1 | of right answers; with labels only
mean_recall | number | share, 0..1 | mean over the classes; with labels only
""",
    "tuned point": """
asked | [text] | - | promises that it keeps
begins | text | - | width vector that an inference begins with, or `dynamic`
costs | {number} | share of the full network's cost | by unit, mean
errors | integer | samples | that get another answer than the full network's
bound | number | share, 0..1 | lower bound of the agreement
shares | [number] | share, 0..1 | of samples that each point answers, and last the network's end
again | number | share, 0..1 | of second passes
widened | number | share, 0..1 | of inferences that were widened on the way
setting | setting | - | thresholds and widths
agreement | number | share, 0..1 | of answers that are the full network's
accuracy | number | share, 0..1 | of right answers; with labels only
mean_recall | number | share, 0..1 | mean over the classes; with labels only
""",
    "setting": """
widths | [integer]? | candidate numbers | of each adaptive layer at the start; null: the controller chooses
exits | [integer] | codes | margin from which on a point answers
widen | [integer] | codes | margin below which the rest runs wider
again | integer | codes | margin below which there is a second pass
stops | [integer]? | class numbers | that may be answered early; null: all
bias | [integer]? | logit codes | of the controller
""",
    "evaluate": """
model | text | - | name of the model
data | text | - | name of the data
samples | integer | samples | that judged
sha256 | text | - | of them
by | text | - | what rivals were chosen by
by_unit | text | - | cost at which they are compared: `bitops` or `cycles`
units | {text} | - | what `bitops` and `cycles` are
full | {number} | BitOPs or cycles | by unit: an inference of the full network
board | text? | - | whose cycles are counted
compiler | text? | - | that built what was counted
tuning | judged tuning | - | what the settings rest on
resamples | integer | resamples | of the bootstrap
points | [text] | - | names of the decision points
classes | [text] | - | names
rows | [judged row] | - | the full network, each point alone, fixed widths, and each tuned point with its rivals
files | [text] | - | what was written
""",
    "judged tuning": """
data | tuning data | - | that chose
options | tuning options | - | what was asked for
unit | text | - | of costs
""",
    "judged row": """
kind | text | - | `full`, `exit`, `static`, `cascade`, `dynamic` or `random`
name | text | - | in words
point | integer? | number, from 0 | of the tuned point that it is compared with; null for what stands alone
costs | {number} | share of the full network's cost | by unit, mean
agreement | number | share, 0..1 | of answers that are the full network's
accuracy | number | share, 0..1 | of right answers; with labels only
mean_recall | number | share, 0..1 | mean over the classes; with labels only
recalls | {number} | share, 0..1 | by class; with labels only
intervals | {[number]} | as the figure | least and most, with 95 % confidence
asked | [text] | - | of `dynamic`: promises
less | {{judged difference}} | - | of `dynamic`, by rival and figure: how much less the rival has
shares | [number] | share, 0..1 | of `dynamic`: of samples that each point answers, and last the network's end
again | number | share, 0..1 | of `dynamic`: second passes
widened | number | share, 0..1 | of `dynamic`: inferences that were widened
shares_by_class | {[number]} | share, 0..1 | of `dynamic`, by class number
""",
    "judged difference": """
value | number | share, -1..1 | difference
interval | [number] | share, -1..1 | least and most, with 95 % confidence, paired
""",
}
