"""The cost per token of a translation run, beside that of the book's."""

import csv

from matplotlib.figure import Figure as Picture

from zoo.plots.figure_file import save_figure

# Chapter 9.3 prints the cost of single batches; these are the means of its
# last twenty prints, 200 steps, of each of five epochs of 1,803 steps, on
# the TED talks, 1,024 units wide.
STEPS = 1803
BOOK = {
    "book_seq2seq": (3.709, 3.223, 2.886, 2.690, 2.447),
    "book_attention": (4.018, 3.319, 3.013, 2.756, 2.569),
}
METRIC = "cost_per_token"


def costs_section(config, folder, pairs):
    """Draws the costs and puts them into a table.

    Args:
        config: The recipe's configuration.
        folder: Folder of the run, with its `history.csv`; the picture goes
            to `plots/cost_per_token.png`.
        pairs: Number of pairs in training.

    Returns:
        Markdown, empty for a run that has not measured the cost.
    """
    with open(folder / "history.csv", encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))
    if not epochs or METRIC not in epochs[0]:
        return ""
    steps = -(-pairs // config.batch_size)
    here = [
        (steps * (i + 1), float(row[METRIC]), float(row[f"val_{METRIC}"]))
        for i, row in enumerate(epochs)
    ]
    book = [
        (STEPS * (i + 1), cost)
        for i, cost in enumerate(BOOK.get(config.name, ()))
    ]
    _draw(here, book, folder / "plots" / "cost_per_token.png")
    lines = ["| step | training | dev | the book, training, on TED |"]
    lines += ["|---|---|---|---|"]
    rows = [(step, f"{cost:.3f} | {dev:.3f} | ") for step, cost, dev in here]
    rows += [(step, f" | | {cost:.3f}") for step, cost in book]
    lines += [f"| {step:,} | {row} |" for step, row in sorted(rows)]
    return "\n".join(lines)


def _draw(here, book, path):
    picture = Picture(figsize=(7.0, 4.0), layout="constrained")
    axes = picture.add_subplot(xlabel="step", ylabel="cost per token, nats")
    steps, costs, dev = zip(*here, strict=True)
    axes.plot(steps, costs, label="training, with dropout")
    axes.plot(steps, dev, label="dev")
    if book:
        axes.plot(*zip(*book, strict=True), "o--", label="the book, on TED")
    axes.legend()
    save_figure(picture, path)
