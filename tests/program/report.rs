//! The report as a page, as Markdown and plot by plot, from a run of the program.

use crate::support::{Shop, stderr, stdout};

#[test]
fn a_run_is_told_as_a_page_as_markdown_and_plot_by_plot() {
    let shop = Shop::new(120);
    let made = shop.longrun(&["run", "shop.toml", "--quiet", "--set", "output.dir=run"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let page = std::fs::read_to_string(shop.file("run/report.html")).expect("a report");
    for chapter in ["summary", "customers", "checks", "diagnostics", "sensitivity", "facts"] {
        assert!(
            page.contains(&format!(
                "<section class=\"chapter{}\" id=\"{chapter}\"",
                if chapter == "summary" { " first" } else { "" }
            )),
            "{chapter}"
        );
    }
    for part in ["<h3>The chains</h3>", "<h3>Energy</h3>", "<h3>Two by two</h3>", "<h3>Before and after</h3>"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.len() < 3_000_000);

    let markdown = shop.longrun(&["report", "run", "--md"]);
    assert!(markdown.status.success(), "{}", stderr(&markdown));
    let text = stdout(&markdown);
    assert!(
        text.starts_with("# ") && text.contains("You can use these numbers.") && text.contains("| R-hat |"),
        "{text}"
    );
    let to_file = shop.longrun(&["report", "run", "--md", "--output", "report.md"]);
    assert!(to_file.status.success() && std::fs::read_to_string(shop.file("report.md")).expect("a file") == text);

    let names = stdout(&shop.longrun(&["report", "run", "--svg", "list"]));
    for name in ["weekly", "frequency", "chains-purchase-r", "energy-purchase", "pairs-purchase", "prior-purchase-r"] {
        assert!(names.lines().any(|line| line == name), "{name} of {names}");
    }
    let svg = stdout(&shop.longrun(&["report", "run", "--svg", "pairs-purchase"]));
    assert!(svg.starts_with("<svg ") && svg.contains("xmlns=") && !svg.contains("var("));
    let none = shop.longrun(&["report", "run", "--svg", "pie"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("found pie") && stderr(&none).contains("--svg list"), "{}", stderr(&none));
    assert_eq!(
        std::fs::read_to_string(shop.file("run/report.html")).expect("a report"),
        page,
        "asking changes nothing"
    );

    let png = shop.longrun(&["report", "run", "--png", "weekly", "--output", "weekly.png", "--width", "600"]);
    if cfg!(feature = "png") {
        assert!(png.status.success(), "{}", stderr(&png));
        assert!(std::fs::read(shop.file("weekly.png")).expect("a picture").starts_with(b"\x89PNG"));
    } else {
        assert_eq!(png.status.code(), Some(2));
        assert!(stderr(&png).contains("--features png") && stderr(&png).contains("--svg weekly"), "{}", stderr(&png));
    }
}
