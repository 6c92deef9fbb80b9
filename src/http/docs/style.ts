/** The style of the docs page: light and dark, wide and narrow. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6474; --line: #d9dee7; --back: #fff; --box: #f4f6f9; --link: #0b5cad; --get: #0a6b3d; --change: #a1420b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ef; --soft: #9aa5b6; --line: #333c4a; --back: #12161d; --box: #1b212b; --link: #79b8ff; --get: #5fd39a; --change: #ffa657; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--back); }
h1 { margin: 0; font-size: 1.9rem; }
h2 { margin: 3rem 0 0.5rem; padding-bottom: 0.3rem; border-bottom: 1px solid var(--line); font-size: 1.4rem; }
h3 { margin: 2.2rem 0 0.3rem; font-size: 1.05rem; overflow-wrap: anywhere; }
h4 { margin: 1rem 0 0.2rem; font-size: 0.85rem; color: var(--soft); text-transform: uppercase; letter-spacing: 0.05em; }
p { margin: 0.5rem 0; max-width: 46rem; }
a { color: var(--link); }
code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: 0.88em; }
code { background: var(--box); padding: 0.1em 0.3em; border-radius: 4px; overflow-wrap: anywhere; }
pre { margin: 0.4rem 0; padding: 0.8rem; overflow-x: auto; background: var(--box); border: 1px solid var(--line); border-radius: 6px; line-height: 1.4; }
pre code { padding: 0; background: none; overflow-wrap: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th, td { padding: 0.35rem 0.8rem 0.35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td p { margin: 0; }
td:first-child code { white-space: nowrap; }
td ul { margin: 0; padding-left: 1.1rem; }
.method { display: inline-block; min-width: 4.2rem; font: 700 0.8rem/1.5 ui-monospace, Menlo, Consolas, monospace; color: var(--change); }
.method.get { color: var(--get); }
.soft { color: var(--soft); }
nav { columns: 17rem; column-gap: 2.5rem; margin-top: 1.5rem; }
nav section { break-inside: avoid; padding-bottom: 0.9rem; }
nav h2 { margin: 0; padding: 0; border: 0; font-size: 0.95rem; }
nav ul { margin: 0.2rem 0 0; padding: 0; list-style: none; }
nav li { display: flex; padding: 0.1rem 0; font-size: 0.88rem; }
nav li a { min-width: 0; overflow-wrap: anywhere; }
details { margin: 0.4rem 0; }
summary { cursor: pointer; color: var(--link); }
:target { scroll-margin-top: 1rem; outline: 2px solid var(--link); outline-offset: 6px; border-radius: 2px; }
@media (max-width: 40rem) { body { padding: 1rem 0.8rem 3rem; } h1 { font-size: 1.5rem; } nav { columns: 1; } }
@media print { nav, summary { display: none; } }
`;
