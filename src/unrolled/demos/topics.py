"""The topics of the lecture, in its order: what each is, the command that shows it, and the page with the figures.

`unroll demo --list` prints them, and docs/lecture.md is made of them (docs/make_lecture.py). A new demo is an entry
here. Nothing is imported, so that the list is printed at once.
"""

from __future__ import annotations

from typing import NamedTuple


class Topic(NamedTuple):
    """A topic of the lecture."""

    name: str  # unique
    title: str
    paragraph: str  # what the lecture says
    command: str  # shows it in under two minutes
    look: str  # what to look at in the output
    page: str  # under docs/, has the full figures


TOPICS = (
    Topic(
        "convolution",
        "What convolution gains",
        "A fully connected net has a weight for every pixel, so it learns a digit anew at every place. A "
        "convolution uses one small kernel at all places: fewer parameters, and what was learnt at one place "
        "holds at the others.",
        "unroll demo convolution",
        "Both nets are trained on digits at the same few places, and there both are good. At places between them the "
        "fully connected net guesses. LeNet-5, whose last layers are fully connected too, keeps a part of what it "
        "learnt, with fewer parameters.",
        "results/images.md",
    ),
    Topic(
        "image-nets",
        "Nets for images: LeNet, CIFAR-10 nets, AlexNet, VGG, ResNet",
        "From five layers in 1998 to 152 in 2015. AlexNet and VGG have most of their parameters in fully "
        "connected layers; ResNet leaves these out, and its shortcuts let gradients pass through many layers.",
        "unroll nets",
        "vgg16 has 5 times the parameters of resnet50, and nearly 4 times the multiply-adds.",
        "nets.md",
    ),
    Topic(
        "video-nets",
        "Nets for video: R3D and R(2+1)D",
        "R3D convolves over space and time at once. R(2+1)D does it in two convolutions, over space and then over "
        "time, with the same number of parameters and a nonlinearity more. The page has the accuracies on "
        "Kinetics that its authors report, from nothing and after weakly supervised pre-training.",
        "unroll nets --video",
        "r2plus1d-18 has the parameters of r3d-18; multiply-adds grow with the number of frames.",
        "nets.md#what-each-costs",
    ),
    Topic(
        "films",
        "A net for video, trained",
        "What happens in a film is in the order of its frames. A net with convolutions over time sees the order; a "
        "linear model on the mean of the frames does not.",
        "unroll demo films",
        "Moving left, played backwards, is moving right, and growing is shrinking. The linear model guesses among "
        "each pair.",
        "videos.md",
    ),
    Topic(
        "supervision",
        "Types of supervision: labels, and texts that supervise themselves",
        "Labels are dear; texts are not. A language model learns from texts without labels, because the next word "
        "is the target. A classifier that starts from it needs few labels: its last layer alone is trained "
        "(classifier only), or all its weights (full fine-tuning). From a language model of words, fine-tuning "
        "starts with word vectors that are computed from its texts.",
        "unroll demo supervision",
        "All three classifiers have the same 20 labelled reviews. From random weights, a word that is in none of "
        "them says nothing; the language model knows which words occur together.",
        "results/pretraining.md",
    ),
    Topic(
        "weak",
        "Pre-training on weak labels; full fine-tuning, and the classifier only",
        "People tag photographs and films carelessly, and there are far more such tags than clean labels. A net "
        "learns from them first. Then it gets the few clean labels, for a new last layer alone or for all its "
        "weights.",
        "unroll demo weak",
        "From nothing, a few clean labels are too few. After careless ones, over half of them wrong, they go twice "
        "as far.",
        "weak-supervision.md",
    ),
    Topic(
        "noise",
        "Noise against volume",
        "Wrong labels cancel out if there are enough of them: many careless labels can be worth more than a few good "
        "ones.",
        "unroll demo noise",
        "Each line has the same number of images, each column the same share of wrong labels. Many labels with 60% "
        "at random are better than few without a fault; with 90% at random even many do not help.",
        "weak-supervision.md#studies",
    ),
    Topic(
        "capacity",
        "Volume against capacity",
        "A large net needs many labels to be better than a small one, and a small net cannot use many.",
        "unroll demo capacity",
        "With few images the widths differ little. With many, wider is better.",
        "weak-supervision.md#studies",
    ),
    Topic(
        "shapes",
        "One to one, one to many, many to one, many to many",
        "A recurrent net reads and writes sequences of any length. One to many: a caption of an image. Many to "
        "one: the sentiment of a text, a spoken digit, the language of a name. Many to many, aligned: a tag for "
        "each word. Not aligned: a translation.",
        "unroll demo shapes",
        "Each task is learnt in seconds by `unrolled.train`; the example and the share of right predictions are "
        "of rows that were not trained on.",
        "tables.md",
    ),
    Topic(
        "loop",
        "What a feed-forward net lacks; the loop and its unrolling",
        "A feed-forward net (`--model none`) sees one step at a time. A recurrent net also reads its own state of "
        "the step before: a loop. Unrolled over the steps, the loop is a deep net with the same weights in every "
        "layer.",
        "unroll demo loop",
        "Whether a row of bits has an odd number of ones depends on all of them. Of one bit both nets know it; of "
        "more the feed-forward net guesses. The last line compares the loop with its unrolling.",
        "ideas.md",
    ),
    Topic(
        "weather",
        "A Markov chain of sun and rain",
        "Tomorrow's weather depends on today's alone. Powers of the transition matrix give the forecast for later "
        "days; in the end today is forgotten.",
        "unroll demo weather",
        "In ten days the forecast is nearly the same after sun and after rain.",
        "ideas.md",
    ),
    Topic(
        "state",
        "The update of the hidden state, and the output",
        "The state of a recurrent net is a vector h. A step computes h′ = tanh(W x + U h + b) from the input x "
        "and the state before; the output is a linear layer of h′ and a softmax.",
        "unroll demo state",
        "Both l's have the same W x + b. U h differs, so h′ differs, and with it the next letter.",
        "ideas.md",
    ),
    Topic(
        "hello",
        'The character model of "hello": its training and sampling',
        "The net reads h, e, l, l and is trained to predict e, l, l, o. To sample, each predicted letter is the "
        "next input.",
        "unroll demo hello",
        "The loss begins at ln 4 = 1.39, the nats of a guess among four letters. The two l's get different "
        "predictions.",
        "ideas.md",
    ),
    Topic(
        "training",
        "Text: at first, train more, train more",
        "The same model on a longer text. At first it writes letters at random, then words that nearly exist, "
        "then lines that look like the text.",
        "unroll demo training",
        "The samples, from the untrained net to the last update, and how the nats per character fall.",
        "results/text.md",
    ),
    Topic(
        "bptt",
        "Backpropagation through time, and what it costs in memory",
        "The loss is backpropagated through every step, so what each step computed has to be held. Checkpoints "
        "hold some of it and compute the rest again: the same gradient in fewer bytes.",
        "unroll demo bptt",
        "The bytes of full backpropagation grow with the steps. Truncated, they do not, but the gradient has an "
        "error; checkpointed, the gradient is exact, and some steps are computed more than once.",
        "gradient.md",
    ),
    Topic(
        "truncated",
        "Truncated backpropagation: its pro and its con",
        "The loss is backpropagated through a few steps only, while the state is carried on. Pro: bytes and time "
        "of an update do not depend on the length. Con: a dependency past the cut has no gradient, so it is not "
        "learnt.",
        "unroll demo truncated",
        "A token has to be recalled some steps later. Within the cut both learn it; past the cut only full "
        "backpropagation does.",
        "gradient.md#truncatedk1-and-truncatedk1k2",
    ),
    Topic(
        "context",
        "One context vector: its pro and its con",
        "An encoder makes one vector of the input, and a decoder writes the output from it. Pro: it is simple, "
        "and input and output may have any lengths. Con: a long input does not fit into one vector. Attention "
        "looks at the input again for each word that it writes.",
        "unroll demo context",
        "Words of random letters have to be written backwards. From one vector, the share without an error falls "
        "soon as words get longer; with attention it holds for longer.",
        "results/translation.md",
    ),
    Topic(
        "attention",
        "Attention",
        "For each word of the output, a weight for each word of the input; the weighted mean is what the decoder "
        "reads. The weights are learnt with the translation, without any alignment in the data.",
        "unroll demo attention",
        "German says four and twenty. The weights cross: each English word looks at its own German word.",
        "ideas.md#cross-attention---attention",
    ),
    Topic(
        "fovea",
        "The fovea and saccades",
        "The eye sees sharply in a small spot alone, and moves it. A net can do the same: it sees a small square of "
        "the image, keeps it in its memory, and decides where to look next. What it costs depends on the number of "
        "glimpses, not on the size of the image.",
        "unroll demo gaze",
        "The last lines: where it looks, and what it says.",
        "fovea.md",
    ),
    Topic(
        "looking",
        "Learning where to look",
        "A place has no gradient: the net has to try. Places are drawn around the one that it proposes; a glimpse "
        "after which the prediction is better than expected makes such places more likely (REINFORCE).",
        "unroll demo looking",
        "The same net with the same number of updates: with a gaze that is learned, with random places, and always "
        "at the centre.",
        "fovea.md#how-it-works",
    ),
    Topic(
        "transformer",
        "Transformers",
        "A net of attention without recurrence: every step attends to all steps before it, so all steps of a row "
        "are trained at once. Its state grows with the length.",
        "unroll demo transformer",
        "The same numbers as above, translated by a transformer.",
        "results/translation.md",
    ),
    Topic(
        "tips",
        "Practical tips for training",
        "Look at the data; check that the first loss is about ln V; overfit a few rows; read the curves; change "
        "one thing at a time.",
        "unroll demo --minutes 1",
        "The loss, the validation score beside the n-gram baseline, and whether it was still improving at the end.",
        "tips.md",
    ),
)
LEFT_OUT = "Left out of the lecture: art styles for photographs. unrolled generates texts, no images."
