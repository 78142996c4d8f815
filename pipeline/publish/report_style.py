"""How the report looks: light and dark, wide and narrow."""

STYLE = """
:root { color-scheme: light dark; --bg: #fff; --soft: #f4f4f1; --line: #dcdcd6; --text: #1c1c1a; --quiet: #62625c;
 --left: #3d7a6e; --lost: #9a9a92; --drop: #c9582f; --copy: #c99a1f; --shared: #ecc4b2; --fine: #e6f1ec;
 --warn: #fbe6dc; }
@media (prefers-color-scheme: dark) { :root { --bg: #161715; --soft: #20211f; --line: #373834; --text: #e6e6e0;
 --quiet: #a0a098; --left: #5fae9d; --lost: #74746c; --drop: #e07a50; --copy: #d9b04a; --shared: #6d4030;
 --fine: #1d2f29; --warn: #43261a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1100px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 44px 0 10px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 20px 0 6px; }
small { font-size: 13px; color: var(--quiet); font-weight: normal; }
td small, article > small { display: block; overflow-wrap: anywhere; }
.quiet, .key { color: var(--quiet); font-size: 13px; margin: 4px 0 8px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; }
.tiles div { background: var(--soft); border-radius: 8px; padding: 10px 14px; }
.tiles b { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--quiet); font-size: 13px; }
header p { margin: 14px 0 0; padding: 10px 14px; border-radius: 8px; overflow-wrap: anywhere; }
.fine { background: var(--fine); } .alarm { background: var(--warn); } .note { background: var(--soft); }
.alarm b, .note b { text-transform: uppercase; font-size: 12px; letter-spacing: .06em; margin-right: 6px; }
.alarm b { color: var(--drop); }
td.reason span { color: var(--quiet); display: inline-block; min-width: 110px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 13px; white-space: nowrap; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.num, td.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wide { overflow-wrap: anywhere; min-width: 150px; }
td.bar { width: 34%; min-width: 90px; padding-top: 9px; } td.wide + td.bar { width: 20%; }
td.bar svg { display: block; width: 100%; height: 12px; background: var(--soft); border-radius: 2px; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; }
.key span { white-space: nowrap; margin-right: 10px; }
rect.left { fill: var(--left); } rect.lost { fill: var(--lost); } rect.drop { fill: var(--drop); }
rect.copy { fill: var(--copy); } rect.shared { fill: var(--shared); }
i.left { background: var(--left); } i.lost { background: var(--lost); } i.drop { background: var(--drop); }
i.copy { background: var(--copy); }
article { border-left: 3px solid var(--line); padding: 2px 0 2px 12px; margin: 12px 0; overflow-wrap: anywhere; }
article p { margin: 4px 0 0; unicode-bidi: isolate; font-size: 14px; }
details { border-bottom: 1px solid var(--line); padding: 6px 0; } summary { cursor: pointer; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 4px 32px; }
.grid thead { display: none; } .grid table { table-layout: fixed; } .grid td.bar { width: 45%; }
.grid td.num { width: 20%; } .grid td { overflow-wrap: anywhere; }
code { font-size: 13px; overflow-wrap: anywhere; }
@media (max-width: 600px) { main { padding: 16px 12px 60px; } h1 { font-size: 22px; } table { font-size: 13px; }
 th, td { padding-right: 8px; } td.bar { min-width: 50px; } .share, .wide + .bar { display: none; }
 td.reason span { display: block; font-size: 12px; min-width: 0; }
 td.reason { overflow-wrap: anywhere; } .tiles { grid-template-columns: 1fr 1fr; }
 .tiles b { font-size: 19px; } }
"""
