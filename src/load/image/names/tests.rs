//! One test for each way of naming files.

use super::*;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What one way of reading takes the parts of the first name for.
#[track_caller]
fn check(names: &[&str], of: &str, expected: &[(&str, &str)]) {
    match read(&owned(names)) {
        Reading::One(way) => {
            assert_eq!(way.of, of, "{way:?}");
            let words: Vec<String> = expected.iter().map(|(group, value)| format!("{group} {value}")).collect();
            let first = way.what.split_once("` is ").unwrap().1;
            assert_eq!(first, words.join(", "), "{way:?}");
        }
        other => panic!("{names:?}: {other:?}"),
    }
}

#[track_caller]
fn check_asked(names: &[&str], first: &[&str]) {
    let Reading::Several(ways) = read(&owned(names)) else { panic!("{names:?}: {:?}", read(&owned(names))) };
    let whats: Vec<&str> = ways.iter().map(|way| way.what.split_once("` is ").unwrap().1).collect();
    assert_eq!(whats, first);
}

#[test]
fn opera_phenix_and_operetta() {
    check(
        &["r02c03f01p01-ch1sk1fk1fl1.tiff", "r02c03f01p01-ch2sk1fk1fl1.tiff"],
        "Opera Phenix and Operetta",
        &[("row", "02"), ("column", "03"), ("site", "01"), ("z", "01"), ("channel", "ch1"), ("time", "1")],
    );
    check(
        &[
            "P1__2024-Measurement 1/Images/r02c03f01p01-ch1sk1fk1fl1.tiff",
            "P2__x/Images/r02c03f01p01-ch1sk1fk1fl1.tiff",
        ],
        "Opera Phenix and Operetta",
        &[
            ("plate", "P1__2024-Measurement 1"),
            ("row", "02"),
            ("column", "03"),
            ("site", "01"),
            ("z", "01"),
            ("channel", "ch1"),
            ("time", "1"),
        ],
    );
}

#[test]
fn opera_and_columbus() {
    check(
        &["001002-3-001001002.tif", "001002-3-001001003.tif"],
        "Opera and Columbus",
        &[("row", "001"), ("column", "002"), ("site", "3"), ("time", "001"), ("z", "001"), ("channel", "002")],
    );
}

#[test]
fn yokogawa() {
    check(
        &["Assay_Greiner_#655090_C02_T0001F004L01A01Z02C01.tif", "Assay_Greiner_#655090_C02_T0001F004L01A01Z02C02.png"],
        "Yokogawa CellVoyager",
        &[
            ("plate", "Assay_Greiner_#655090"),
            ("well", "C02"),
            ("time", "0001"),
            ("site", "004"),
            ("z", "02"),
            ("channel", "C01"),
        ],
    );
}

#[test]
fn scanr() {
    check(
        &["A1--W00001--P00001--Z00000--T00000--Alexa 488.tif", "A1--W00001--P00001--Z00000--T00000--DAPI.tif"],
        "ScanR",
        &[("well", "A1"), ("site", "00001"), ("z", "00000"), ("time", "00000"), ("channel", "Alexa 488")],
    );
}

#[test]
fn in_cell() {
    check(
        &["A - 01(fld 1 wv DAPI - DAPI).tif", "A - 01(fld 1 wv FITC - FITC).tif"],
        "IN Cell Analyzer",
        &[("row", "A"), ("column", "01"), ("site", "1"), ("channel", "DAPI - DAPI")],
    );
    check(
        &["A - 01(fld 1 wv UV - DAPI z 3 time 2 - 2636ms).tif"],
        "IN Cell Analyzer",
        &[("row", "A"), ("column", "01"), ("site", "1"), ("channel", "UV - DAPI"), ("z", "3"), ("time", "2")],
    );
    check(&["D - 05(wv TL - Cy3).tif"], "IN Cell Analyzer", &[("row", "D"), ("column", "05"), ("channel", "TL - Cy3")]);
    check(
        &["Plate1_A01(fld 1 wv 390 - Blue).tif"],
        "IN Cell Analyzer",
        &[("plate", "Plate1"), ("row", "A"), ("column", "01"), ("site", "1"), ("channel", "390 - Blue")],
    );
}

#[test]
fn evos() {
    check(
        &["scan_R_p2_z1_0_B03f01d0.tif"],
        "EVOS",
        &[("plate", "scan"), ("time", "2"), ("z", "1"), ("well", "B03"), ("site", "01"), ("channel", "d0")],
    );
}

#[test]
fn cellomics() {
    check(
        &["AS_09125_050116030001_D03f00d0.tif", "AS_09125_050116030001_D03f00d1.tif"],
        "Cellomics ArrayScan and CellInsight",
        &[("plate", "AS_09125_050116030001"), ("well", "D03"), ("site", "00"), ("channel", "d0")],
    );
    check(
        &["A01f01d2.TIF"],
        "Cellomics ArrayScan and CellInsight",
        &[("well", "A01"), ("site", "01"), ("channel", "d2")],
    );
    check(
        &["020506platerun_i3t001A01f01d2.TIF"],
        "Cellomics ArrayScan (kinetic)",
        &[("plate", "020506platerun"), ("time", "001"), ("well", "A01"), ("site", "01"), ("channel", "d2")],
    );
}

#[test]
fn gen5() {
    check(
        &["A1_01_2_3_DAPI_001.tif", "A1_01_1_3_Phase Contrast_001.tif"],
        "Cytation and Gen5",
        &[("well", "A1"), ("site", "3"), ("channel", "DAPI"), ("time", "001")],
    );
    check(
        &["A1_-1_1_1Z2_Tsf[Stitched[Channel1 300,400]]_001.tif"],
        "Cytation and Gen5",
        &[("well", "A1"), ("site", "1"), ("z", "2"), ("channel", "Tsf[Stitched[Channel1 300,400]]"), ("time", "001")],
    );
    check(
        &["A1_1Z0_DAPI_1_001_.tif", "A1_1Z1_DAPI_1_001_.tif"],
        "Cytation and Gen5 (older)",
        &[("well", "A1"), ("z", "0"), ("channel", "DAPI"), ("site", "1"), ("time", "001")],
    );
}

#[test]
fn incucyte() {
    check(
        &["VID1_A1_1_00d06h30m.tif", "VID1_A1_1_00d12h30m.tif"],
        "IncuCyte",
        &[("plate", "VID1"), ("well", "A1"), ("site", "1"), ("time", "00d06h30m")],
    );
    check(
        &["MiaPaCa2-PhaseOriginal_A2_1_03d06h40m.tif"],
        "IncuCyte",
        &[("channel", "MiaPaCa2-PhaseOriginal"), ("well", "A2"), ("site", "1"), ("time", "03d06h40m")],
    );
    check(
        &["MySample_A1_1_2021y08m06d_11h39m.tif"],
        "IncuCyte",
        &[("channel", "MySample"), ("well", "A1"), ("site", "1"), ("time", "2021y08m06d_11h39m")],
    );
}

#[test]
fn nikon_micro_manager_and_bbbc013() {
    check(
        &["20201115_184113_906__WellA2_ChannelDAPI_Seq0003.tif"],
        "Nikon NIS-Elements JOBS",
        &[("well", "A2"), ("channel", "DAPI"), ("site", "0003")],
    );
    check(
        &["A1-Site_0/img_000000000_DAPI_000.tif", "A1-Site_1/img_000000000_DAPI_000.tif"],
        "Micro-Manager",
        &[("well", "A1"), ("site", "0"), ("time", "000000000"), ("channel", "DAPI"), ("z", "000")],
    );
    check(
        &["Channel1-01-A-01.png", "Channel2-01-A-01.png"],
        "BBBC013 and BBBC014",
        &[("channel", "Channel1"), ("row", "A"), ("column", "01")],
    );
}

#[test]
fn names_with_words_in_front_of_their_numbers() {
    check(
        &["plate1_A01_site1_ch2.tif", "plate1_A01_site2_ch2.tif", "plate1_A02_site1_ch1.tif"],
        "",
        &[("plate", "plate1"), ("well", "A01"), ("site", "1"), ("channel", "ch2")],
    );
    check(
        &["A01_s1_w1.tif", "A01_s2_w1.tif", "A01_s1_w2.tif", "A01_s2_w2.tif"],
        "",
        &[("well", "A01"), ("site", "1"), ("channel", "w1")],
    );
    check(
        &["exp-B2-t01-z03-c1.tif", "exp-B2-t02-z03-c1.tif", "exp-B3-t01-z03-c1.tif"],
        "",
        &[("plate", "exp"), ("well", "B2"), ("time", "01"), ("z", "03"), ("channel", "c1")],
    );
    check(&["C01_dna.tif", "C02_dna.tif"], "", &[("well", "C01"), ("channel", "dna")]);
    check(&["C1-A01.tif", "C2-A01.tif", "C1-A02.tif"], "", &[("channel", "C1"), ("well", "A01")]);
    check(
        &["A01_Field_1_Channel_2.tif", "A01_Field_2_Channel_2.tif"],
        "",
        &[("well", "A01"), ("site", "1"), ("channel", "2")],
    );
    check(&["B3-1-C2.tif", "B3-2-C2.tif", "B4-1-C2.tif"], "", &[("well", "B3"), ("site", "1"), ("channel", "C2")]);
}

#[test]
fn a_number_next_to_stains_is_a_site() {
    check(
        &["A01_1_DAPI.tif", "A01_2_DAPI.tif", "A01_1_GFP.tif", "A01_2_GFP.tif"],
        "",
        &[("well", "A01"), ("site", "1"), ("channel", "DAPI")],
    );
    check(&["B02_dna.png", "B03_dna.png", "B02_er.png"], "", &[("well", "B02"), ("channel", "dna")]);
    check(
        &["A01_1_Alexa 488.tif", "A01_2_Alexa 488.tif", "A01_1_DAPI.tif", "A01_2_DAPI.tif"],
        "",
        &[("well", "A01"), ("site", "1"), ("channel", "Alexa 488")],
    );
    check(&["01A.tif", "02A.tif"], "", &[("well", "01A")]);
}

#[test]
fn folders_hold_plates_wells_times_and_channels() {
    check(
        &["PK-1/Well-B003/FITC.jpeg", "PK-1/Well-B004/Tritc.jpeg", "PK-2/Well-B004/FITC.jpeg"],
        "",
        &[("plate", "PK-1"), ("well", "B003"), ("channel", "FITC")],
    );
    check(
        &["A01/1/DAPI.tif", "A01/2/DAPI.tif", "B01/1/DAPI.tif"],
        "",
        &[("well", "A01"), ("site", "1"), ("channel", "DAPI")],
    );
    check(
        &["DAPI/A01_s1.tif", "GFP/A01_s1.tif", "DAPI/A02_s1.tif"],
        "",
        &[("channel", "DAPI"), ("well", "A01"), ("site", "1")],
    );
    check(
        &["P1/TimePoint_1/A01_s1.tif", "P1/TimePoint_2/A01_s1.tif"],
        "",
        &[("plate", "P1"), ("time", "1"), ("well", "A01"), ("site", "1")],
    );
}

#[test]
fn numbers_that_may_be_fields_or_channels_are_asked_about() {
    check_asked(&["A01_1.tif", "A01_2.tif", "A02_1.tif", "A02_2.tif"], &["well A01, site 1", "well A01, channel 1"]);
    check_asked(
        &["A01_1_2.tif", "A01_2_2.tif", "A01_1_1.tif", "A01_2_1.tif"],
        &["well A01, site 1, channel 2", "well A01, channel 1, site 2"],
    );
    check_asked(
        &["A01_DMSO.tif", "A02_taxol.tif", "A03_DMSO.tif"],
        &["well A01, treatment DMSO", "well A01, label DMSO"],
    );
}

#[test]
fn what_goes_with_the_well_or_is_the_same_in_all_names_says_nothing() {
    check(
        &["0001_A01_DAPI.tif", "0002_A02_DAPI.tif", "0003_A03_GFP.tif", "0003_A03_DAPI.tif"],
        "",
        &[("well", "A01"), ("channel", "DAPI")],
    );
    check(
        &["001_A01_s1_DAPI.tif", "002_A01_s2_DAPI.tif", "003_A02_s1_DAPI.tif", "004_A02_s2_DAPI.tif"],
        "",
        &[("well", "A01"), ("site", "1"), ("channel", "DAPI")],
    );
    check(&["A01_10x_DAPI.tif", "A02_10x_GFP.tif"], "", &[("well", "A01"), ("channel", "DAPI")]);
}

#[test]
fn label_images_are_no_channel() {
    let names = owned(&["A01_s1_dna.png", "A01_s1_mask.png", "A01_s2_dna.png", "A01_s2_mask.png"]);
    let Reading::One(way) = read(&names) else { panic!("{:?}", read(&names)) };
    let mask = Regex::new(way.mask_pattern.as_deref().unwrap()).unwrap();
    assert!(mask.is_match("A01_s1_mask.png") && !mask.is_match("A01_s1_dna.png"));
    assert_eq!(&mask.captures("A01_s2_mask.png").unwrap()["site"], "2");
}

#[test]
fn names_that_say_nothing_of_wells_are_left_alone() {
    for names in [
        &["a.png", "b.png"][..],
        &["image0001.tif", "image0002.tif"],
        &["IMG_2024.jpg"],
        &["exp1_t001_z001_c001.tif", "exp1_t001_z002_c001.tif"],
        &["x_C01_T01.tif", "x_C02_T01.tif"],
    ] {
        assert!(matches!(read(&owned(names)), Reading::Nothing), "{names:?}: {:?}", read(&owned(names)));
    }
    // Of names written in two ways none is most.
    assert!(matches!(read(&owned(&["B02_dna.png", "overview.png"])), Reading::Nothing));
}
