#!/usr/bin/env bash
# Makes pictures of a run's report or a project's history for people to look at: every page of it at three widths, light and dark, and the
# PDF that it prints.
#
#   scripts/report_pictures.sh RUN/report.html OUT
#
# Needs chromium (CHROMIUM names another); the PDF's pages become pictures where pdftoppm or gs is. Nothing here judges: look.
# Exit codes: 0 done, 3 there is no browser, 2 there is no report, 1 anything else.
set -euo pipefail

report=${1:?give the path of a report.html}
out=${2:?give a folder for the pictures}
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$browser" ] || { echo "report_pictures: there is no chromium here" >&2; exit 3; }
[ -f "$report" ] || { echo "report_pictures: $report is not there; \`longrun report RUN\` writes it" >&2; exit 2; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() { "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars "--user-data-dir=$work/profile" "$@" >/dev/null 2>"$work/log" || { cat "$work/log" >&2; return 1; }; }

# One page of the report on a sheet of its own: the others are hidden, so that no picture grows taller than a browser can draw.
for theme in light dark; do
    # A run's report, then a project's history.
    for page in summary customers checks diagnostics sensitivity resources facts accuracy value behaviour inputs alarms; do
        grep -q "id=\"$page\"" "$report" || continue
        sed -e "s|<html lang=\"en\">|<html lang=\"en\" data-theme=\"$theme\">|" \
            -e "s|</style>|.chapter:not(#$page){display:none !important}</style>|" "$report" >"$work/one.html"
        for width in 380 820 1400; do
            # Windows have a least width; a frame within one has none.
            printf '<!doctype html><style>body{margin:0}iframe{border:0;display:block}</style><iframe src="one.html" width="%s" height="9000" scrolling="no"></iframe>' "$width" >"$work/frame.html"
            quietly "--window-size=$((width < 500 ? 500 : width)),9000" "--screenshot=$out/$page-$width-$theme.png" "file://$work/frame.html"
        done
    done
done

quietly --no-pdf-header-footer "--print-to-pdf=$out/report.pdf" "file://$(cd "$(dirname "$report")" && pwd)/$(basename "$report")"
if command -v pdftoppm >/dev/null; then
    pdftoppm -r 60 -png "$out/report.pdf" "$out/print"
elif command -v gs >/dev/null; then
    gs -q -dNOPAUSE -dBATCH -sDEVICE=png16m -r60 "-sOutputFile=$out/print-%02d.png" "$out/report.pdf"
fi
echo "$out"
