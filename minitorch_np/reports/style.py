"""What the page looks like, and the frame that its parts stand in."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{question}</h1>
{body}
</main>
</body>
</html>
"""
"""The last line of defence against anything being loaded is the content security policy."""

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --rule: #c8c8c8; --mark: #e8f1f8;
  --shade: #0072b280 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --rule: #4a4e54; --mark: #1d2c3a;
    --shade: #6ab7e880 }
}
* { box-sizing: border-box }
body { margin: 0; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
main { max-width: 60rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; line-height: 1.25 }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--rule) }
ul { padding-left: 1.2rem }
.answer { font-size: 1.1rem; padding: .75rem 1rem; background: var(--mark);
  border-left: 4px solid #0072b2 }
.scroll { overflow-x: auto; margin: 1rem 0; background:
  linear-gradient(to right, var(--paper) 40%, transparent) left / 3rem 100% local,
  linear-gradient(to left, var(--paper) 40%, transparent) right / 3rem 100% local,
  linear-gradient(to right, var(--shade), transparent) left / 1.2rem 100% scroll,
  linear-gradient(to left, var(--shade), transparent) right / 1.2rem 100% scroll;
  background-repeat: no-repeat }
details { margin: 1rem 0 }
summary { cursor: pointer; font-weight: 600 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule);
  white-space: nowrap }
th { font-weight: 600 }
tbody th { font-weight: 400 }
figure { margin: 1rem 0; padding: .5rem; background: #fff; color: #1a1a1a;
  border: 1px solid var(--rule); border-radius: .4rem; break-inside: avoid }
figure img { display: block; width: 100%; max-width: 32rem; height: auto; margin: 0 auto }
figcaption { font-size: .9rem; margin-top: .5rem }
pre, code { font-family: ui-monospace, monospace; font-size: .9rem }
dt { font-weight: 600 }
dd { margin: 0 0 .6rem }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --rule: #999; --mark: #fff }
  main { max-width: none; padding: 0 }
  .scroll { overflow: visible; break-inside: avoid; background: none }
  th, td { white-space: normal; font-size: .8rem; overflow-wrap: anywhere }
  pre { white-space: pre-wrap }
  h2 { break-after: avoid }
}
"""
"""Pictures are drawn for white, so they stand on a white card in the dark too. A table that is
wider than the screen has a shade on the side to which it scrolls, and none where it ends."""
