"""Ratio over H and B, where matplotlib is installed."""


def ratios(rows, path):
    """Draws what most rows share: one layer, T = 256, not ragged. Returns what there is to say of it."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return "none, matplotlib is not installed"
    panels = [(cell, dtype, which) for dtype in ("bf16", "f16", "tf32", "f32") for cell in ("lstm", "gru")
              for which in ("training", "inference")]
    picked = {panel: [row for row in rows if (row["cell"], row["dtype"], row["pass"]) == panel
                      and (row["layers"], row["directions"], row["steps"], row["ragged"]) == (1, 1, 256, False)]
              for panel in panels}
    picked = {panel: some for panel, some in picked.items() if len(some) > 1}
    if not picked:
        return "none, too few rows"
    figure, axes = pyplot.subplots((len(picked) + 1) // 2, 2, figsize=(11, 3.2 * ((len(picked) + 1) // 2)),
                                   squeeze=False)
    for axis in axes.flat[len(picked):]:
        axis.axis("off")
    for axis, (panel, some) in zip(axes.flat, picked.items()):
        for batch in sorted({row["batch"] for row in some}):
            line = sorted((row["hidden"], row["ratio"]) for row in some if row["batch"] == batch)
            axis.plot(*zip(*line), marker="o", label=f"B={batch}")
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set(xscale="log", yscale="log", title=" ".join(panel), xlabel="H", ylabel="cuDNN / Rondo")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path.name
