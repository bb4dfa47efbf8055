//! Help texts and error messages as users see them; `TRYCMD=overwrite cargo test --release` takes changes over.

#[test]
fn help_and_errors_read_as_written_down() {
    trycmd::TestCases::new()
        .register_bin("cytonaut", std::path::Path::new(env!("CARGO_BIN_EXE_cytonaut")))
        .env("COLUMNS", "100")
        .case("tests/cmd/*.trycmd");
}
