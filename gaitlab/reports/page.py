"""A sweep's report as one HTML page that needs nothing else: style, pictures and numbers are inside."""

import base64
import html
import io

from matplotlib import rc_context
from matplotlib.figure import Figure

from gaitlab.reports.report import Report
from gaitlab.reports.table import to_html

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 76rem; color: #222; background: #fff; }
body { font: 16px/1.5 system-ui, "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; line-height: 1.2; }
h2 { font-size: 1.12rem; margin: 2rem 0 .5rem; }
.about { color: #666; margin: 0 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e6e6e6; }
th { border-bottom: 2px solid #999; font-weight: 600; vertical-align: bottom; white-space: normal; }
thead tr th:first-child, tbody td:first-child { position: sticky; left: 0; background: #fff; }
.words { text-align: left; }
tbody tr:hover td { background: #f5f7fa; }
td.more { color: #00558a; font-weight: 700; background: #eaf3f9; }
td.less { color: #a84300; font-weight: 700; background: #fbeee6; }
.note { color: #666; font-size: .85rem; max-width: 60rem; margin: .5rem 0 0; }
.lacking { border-left: 4px solid #d55e00; background: #fdf5ef; padding: .5rem 1rem .5rem 1.6rem; margin: 1rem 0; }
.lacking { font-size: .9rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: flex-start; }
code, pre { font-size: .85rem; background: #f4f4f4; border-radius: 3px; }
pre { padding: .7rem 1rem; overflow-x: auto; }
dl { display: table; table-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt { color: #666; } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { padding: .8rem; } table { font-size: .8rem; } th, td { padding: .25rem .45rem; } dl { display: block; } }
"""


def page(report: Report) -> str:
    """The first table, the notes, all figures, the other tables, and what to type."""
    pictures = "".join(f"<figure>{picture(figure, name)}</figure>" for name, figure in report.figures.items())
    notes = f"<ul class='lacking'>{''.join(f'<li>{html.escape(note)}</li>' for note in report.notes)}</ul>" if report.notes else ""
    first, *others = (to_html(table) for table in report.tables)
    terms = "".join(f"<dt>{html.escape(term)}</dt><dd>{html.escape(fact)}</dd>" for term, fact in report.facts.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(report.title)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<h1>{html.escape(report.title)}</h1>
<p class="about">{html.escape(report.about)}</p>
{first}
{notes}
<div class="pictures">{pictures}</div>
{"".join(others)}
<section><h2>Where it comes from</h2><dl>{terms}</dl>
<p>Again, or further:</p>
<pre>{html.escape(report.repeat)}</pre></section>
</body>
</html>
"""


def picture(figure: Figure, name: str) -> str:
    """An `img` with the figure as SVG inside, the same bytes for the same figure."""
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    width = round(figure.get_figwidth() * 96)
    alt = html.escape(" ".join(axes.get_title(loc="left") for axes in figure.axes) or name, quote=True)
    return f'<img width="{width}" alt="{alt}" src="data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}">'
