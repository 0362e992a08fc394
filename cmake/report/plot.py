"""Ratio over H and B as a picture: by matplotlib where it is installed, else by gnuplot."""
import shutil
import subprocess


def ratios(rows, folder):
    """Draws what most rows share: one layer, T = 256, not ragged. Returns the picture's name, or why there is none."""
    panels = picked(rows)
    if not panels:
        return "none, too few rows"
    try:
        return by_matplotlib(panels, folder / "ratio.png")
    except ImportError:
        pass
    if shutil.which("gnuplot"):
        return by_gnuplot(panels, folder / "ratio.svg")
    return "none, neither matplotlib nor gnuplot is installed"


def picked(rows):
    """{(cell, dtype, pass): {batch: [(hidden, ratio)]}} of what has more than one row."""
    panels = {}
    for dtype in ("bf16", "f16", "tf32", "f32"):
        for cell in ("lstm", "gru"):
            for which in ("training", "inference"):
                some = [row for row in rows if (row["cell"], row["dtype"], row["pass"]) == (cell, dtype, which)
                        and (row["layers"], row["directions"], row["steps"], row["ragged"]) == (1, 1, 256, False)]
                if len(some) > 1:
                    panels[cell, dtype, which] = {
                        batch: sorted((row["hidden"], row["ratio"]) for row in some if row["batch"] == batch)
                        for batch in sorted({row["batch"] for row in some})}
    return panels


def by_matplotlib(panels, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    height = (len(panels) + 1) // 2
    figure, axes = pyplot.subplots(height, 2, figsize=(11, 3.2 * height), squeeze=False)
    for axis in axes.flat[len(panels):]:
        axis.axis("off")
    for axis, (panel, lines) in zip(axes.flat, panels.items()):
        for batch, line in lines.items():
            axis.plot(*zip(*line), marker="o", label=f"B={batch}")
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set(xscale="log", yscale="log", title=" ".join(panel), xlabel="H", ylabel="cuDNN / Rondo")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path.name


def by_gnuplot(panels, path):
    height = (len(panels) + 1) // 2
    script = [f"set terminal svg size 1100,{320 * height} background 'white'", f"set output '{path.name}'",
              f"set multiplot layout {height},2", "set logscale xy 2", "set xlabel 'H'", "set ylabel 'cuDNN / Rondo'",
              "set key outside right", "set grid"]
    for panel, lines in panels.items():
        script.append(f"set title '{' '.join(panel)}'")
        drawn = [f"'-' using 1:2 with linespoints pointtype 7 pointsize 0.5 title 'B={batch}'" for batch in lines]
        script.append("plot " + ", ".join(drawn + ["1 with lines linecolor 'black' notitle"]))
        for line in lines.values():
            script += [f"{hidden} {ratio}" for hidden, ratio in line] + ["e"]
    script.append("unset multiplot")
    ran = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", capture_output=True, text=True, cwd=path.parent)
    if ran.returncode != 0 or not path.exists():
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"none, gnuplot failed: {last}"
    return path.name
