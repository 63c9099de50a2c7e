"""Keys of the commands that run samples: profile, try, compare, compare-sessions."""

OBJECTS = {
    "try": """
model | text | - | name of the model
model_hash | text | - | SHA-256 of the model, hexadecimal
task | text | - | what its outputs stand for
source | text | - | name of the file
source_sha256 | text? | - | of the file
calibration | text | - | `none` (the file has scales), `data` or `random`
data | text? | - | name of the data; null for random codes
labelled | boolean | - | whether answers are judged by labels, else by those of the widest widths
boards | [tried board] | - | all boards
sessions | [session] | - | on one board: all at the widest, and what decides for each input
agreement | [number?] | share, 0..1 | of each session's answers that are those of the first
mismatches | integer | samples | answered otherwise than by the interpreter
comparison | compare? | - | beside the file's own runtime
search | search? | - | fixed widths
notes | [text] | - | what was left out, and why
seconds | number | s | that all of it took
""",
    "tried board": """
board | text | - | id of the board
core | text | - | its core
hz | integer? | Hz | clock of the core
fits | boolean | - | whether the model does
flash | integer? | bytes | of the image; null where a layer has no kernel
ram | integer? | bytes | likewise
spare | room? | - | what the board has left
exact | boolean? | - | false for an upper bound
estimated_cycles | number? | cycles | of an inference at the widest widths
estimated_milliseconds | number? | ms | the same as time at the clock
layers_without_estimate | integer | layers | that the cycles leave out
reason | text | - | why it does not fit; empty where it does
changes | [text] | - | what to change where it does not fit
""",
    "compare": """
model | text | - | name of the model
runtime | text | - | package that ran the file
samples | integer | samples | that both ran
task | text | - | what the outputs stand for
answer_differences | integer? | answers | that are another class; null for real numbers
answers | integer | answers | that were compared: one for each sample, or place of a map
output_rms | number | the outputs' unit | root mean square of the outputs' difference
layers | [compared layer] | - | in the order of execution
first_difference | text? | - | first layer that differs in the running network
metrics | {number} | by figure: shares 0..1, errors in the data's unit | figures of the task, ours
intervals | {[number]} | as the figure | least and most, with 95 % confidence
accuracy | number? | share, 0..1 | of right answers, ours; not for tasks without classes
per_class | {[integer]} | samples | by class: right, and all
iou | {number} | share, 0..1 | of a map, by class: intersection over union
outputs | {{number}} | errors in the data's unit | of several numbers, by output and figure
reference_metrics | {number} | likewise | figures of the runtime's answers
reference_accuracy | number? | share, 0..1 | of the runtime's right answers
""",
    "compared layer": """
name | text | - | of the layer
alone | integer | codes | largest difference when both read the runtime's tensors
alone_share | number | share, 0..1 | of codes that then differ
network | integer | codes | largest difference when both networks run from their input
note | text | - | which of the two is nearer to the exact result, where that is known
comparable | boolean | - | whether both compute one operator of the same
right | boolean | - | whether ours is the exact result wherever they differ by more than one code
""",
    "profile": """
sessions | [session] | - | one; of the policy `dial` one for each point of it
dial | boolean | - | whether they are the points of the dial
mismatches | integer | samples | of all, answered otherwise than by the interpreter
files | [text] | - | what was written
""",
    "session": """
board | text | - | id of the board
model | text | - | name of the model
policy | text | - | who chose the widths
unit | text | - | of counts: `instructions`, `cycles`, `nanoseconds`, see [units](profiling.md#units)
samples | integer | samples | that were run
planned | integer? | samples | that were asked for, of a session that ended before them
task | text | - | what the outputs stand for
mismatches | integer | samples | answered otherwise than by the interpreter
first_difference | text? | - | sample and layer
count | number? | `unit` | mean of an inference
count_least | number? | `unit` | of the inference with the fewest
count_most | number? | `unit` | of the inference with the most
controller_share | number? | share, 0..1 | of the count that the controller took
heads_share | number? | share, 0..1 | of the count that heads of decision points took
bitops_ratio | number | BitOPs of all at 8x8, 0.. | mean; a second pass counts too
width_vectors | {integer} | samples | by width vector
layers | [run layer] | - | in the order of execution
cycles | number? | modelled cycles | mean of an inference; null where none are modelled
cycles_model | text? | - | what they are, or why there are none
answered_at | {number} | share, 0..1 | of samples that each decision point answered, and the network's `end`
second_passes | number? | share, 0..1 | of samples that a second pass answered
data_sha256 | text? | - | of the samples that were asked for, where a report or log was written
baud | integer? | bits a second | rate of the serial line at the end; null where there was none that could be changed
metrics | {number} | by figure: shares 0..1, errors in the data's unit | figures of the task
intervals | {[number]} | as the figure | least and most, with 95 % confidence
accuracy | number? | share, 0..1 | of right answers; not for tasks without classes
per_class | {[integer]} | samples | by class: right, and all
iou | {number} | share, 0..1 | of a map, by class: intersection over union
outputs | {{number}} | errors in the data's unit | of several numbers, by output and figure
interpreter_metrics | {number} | likewise | figures of the interpreter's answers
interpreter_accuracy | number | share, 0..1 | of its right answers
stream | stream | - | of `--stream`
""",
    "run layer": """
name | text | - | of the layer
kernel | text | - | that ran it
macs | integer | MAC | of an inference
count | number? | `unit` | mean of an inference
mean_weight_bits | number? | bits | mean over the samples
mean_activation_bits | number? | bits | mean over the samples
cycles | number? | modelled cycles | mean of an inference
runs | number | runs | for an inference, on average
""",
    "stream": """
timed | boolean | - | whether places are seconds, else numbers of samples
seconds | number? | s | how long it lasts
records | [text] | - | names
end | number | s, or samples | where it ends
window | number | s, or samples | length of a window
windows | [stream window] | - | in order
answered | [stream answers] | - | by decision point, and last the network's end
twice | integer | inferences | with a second pass
classes | [text] | - | of interest
events | [stream event] | - | runs of samples of such a class
alarms | [stream alarm] | - | runs of answers of such a class where none is
count_worst | integer? | number of a sample, from 0 | with the highest count
cycles_worst | number? | modelled cycles | most of an inference
duty | number? | share of the time, 0.. | that the core computes
duty_clock | text? | - | what it was computed with
found | integer | events | that were found
missed | integer | events | that were not
alarms_an_hour | number? | 1/h | false alarms; null where the time is not known
alarms_per_1000_samples | number | 1 for 1,000 samples | false alarms
""",
    "stream window": """
record | text | - | name
place | number | s, or samples | where it begins in the whole stream
samples | integer | samples | in it
count | number? | `unit` | mean of an inference
count_most | number? | `unit` | of the inference with the most
cycles | number? | modelled cycles | mean of an inference
cycles_most | number? | modelled cycles | of the inference with the most
answered | [number] | share, 0..1 | that each decision point answered, and last the network's end
""",
    "stream answers": """
point | text | - | name, or `end`
samples | integer | samples | answered there
count | number? | `unit` | mean of these inferences
cycles | number? | modelled cycles | mean of these inferences
""",
    "stream event": """
label | text | - | name of the class
record | text | - | name
place | number | s, or samples | of its first sample in the whole stream
samples | integer | samples | in it
found_after | integer? | samples | before the first right answer; null for a missed event
""",
    "stream alarm": """
label | text | - | name of the class
record | text | - | name
place | number | s, or samples | of its first sample in the whole stream
samples | integer | samples | in it
""",
    "compare-sessions": """
beyond | integer | numbers | that are worse than allowed
changes | [change] | - | every number that both reports have
""",
    "change": """
policy | text | - | of the sessions
name | text | - | `count`, `cycles`, `bitops_ratio`, `mismatches`, or a figure
before | number | as in the reports | in the first
after | number | as in the reports | in the second
allowed | number? | as in the reports | at worst; null without a threshold
beyond | boolean | - | whether it is worse than that
""",
}
