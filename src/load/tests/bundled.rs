//! The screens in `datasets/`, with the counts that their READMEs state.

use std::path::Path;

use super::*;
use crate::screen::Kind;

fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join(name)
}

#[test]
fn loads_bbbc021() {
    let Loaded { screen, notes, mapping, .. } = load(&Source::of([bundled("bbbc021")])).unwrap();
    assert_eq!((screen.n_observations(), screen.features.n_features()), (547, 516));
    let n_controls = screen.units.by_row().filter(|row| row.role == Role::NegativeControl).count();
    assert_eq!(n_controls, 330);
    assert_eq!(screen.treatments().len(), 74);
    let names: BTreeSet<String> =
        screen.treatments().keys().map(|treatment| treatment.intervention.perturbation_names()).collect();
    assert_eq!(names.len(), 26);
    assert_eq!(screen.rows_by_plate(|_| true).len(), 55);
    let moas: BTreeSet<_> = screen.label("moa").unwrap().values.iter().flatten().collect();
    assert_eq!(moas.len(), 13, "12 mechanisms and DMSO");
    assert_eq!(screen.units.by_row().filter_map(|row| row.lab_batch.as_ref()).collect::<BTreeSet<_>>().len(), 10);
    assert!(screen.dropped.is_empty() && notes.is_empty(), "{notes:?}");
    assert_eq!(mapping.labels, ["moa"]);

    // Without its card the same screen is inferred, but for object numbers and positions, which the card includes.
    let bare = load(&Source::of([bundled("bbbc021").join("profiles.csv.gz")])).unwrap();
    assert_eq!((bare.screen.units, bare.screen.labels), (screen.units, screen.labels));
    let place = |name: &String| screen.features.names().iter().position(|other| other == name).unwrap();
    let columns: Vec<usize> = bare.mapping.features.iter().map(place).collect();
    assert_eq!(*bare.screen.features.in_memory(), screen.features.select_columns(&columns));
    assert_eq!((columns.len(), bare.mapping.left_out.len()), (516 - 54, 54));
}

#[test]
fn loads_a_pycytominer_plate() {
    let Loaded { screen, mapping, notes, .. } = load(&Source::of([bundled("lincs-plate")])).unwrap();
    assert_eq!((screen.n_observations(), screen.features.n_features()), (384, 57));
    assert_eq!(screen.units.by_row().filter(|row| row.role == Role::NegativeControl).count(), 24);
    assert_eq!(screen.units.by_row().filter(|row| row.role == Role::Treatment).count(), 360);
    let names: BTreeSet<String> =
        screen.treatments().keys().map(|treatment| treatment.intervention.perturbation_names()).collect();
    assert_eq!(names.len(), 58);
    let doses: BTreeSet<_> = screen.units.by_row().filter_map(|row| row.intervention.as_single()?.dose).collect();
    assert_eq!(doses.last().unwrap().get(), 20.0);
    assert_eq!(screen.unit(0).context, "A549");
    assert_eq!(mapping.column(ColumnRole::Plate), Some("Metadata_Plate"));
    assert_eq!(mapping.column(ColumnRole::LabBatch), Some("Metadata_Batch_Number"));
    assert_eq!(mapping.controls_why, "the words of column `Metadata_pert_type`");
    assert!(notes.is_empty(), "{notes:?}");

    // Without the card the dose is what its column's name says.
    let bare = load(&Source::of([bundled("lincs-plate").join("profiles.csv.gz")])).unwrap();
    assert_eq!(bare.mapping.dose_unit, Some(DoseUnit::Millimolar));
    assert_eq!(bare.screen.features, screen.features);
}

#[test]
fn the_jump_card_reads_files_given_separately() {
    let wells = "plate,well,treatment_type,treatment,control_type,cell_line,time_h,cell_count,ks_Hole,ks_Large
BR1,A02,compound,DMSO,negcon,A549,24,1438,,
BR1,A03,compound,amlodipine,,A549,24,1095,0.05,0.2
BR2,A03,crispr,,negcon,U2OS,96,900,,
BR2,A04,crispr,AURKB,poscon_cp,U2OS,96,800,0.5,0.6
BR3,A04,orf,AURKB,,U2OS,48,700,0.1,0.2
BR3,A05,orf,,,U2OS,48,650,,
";
    let plates = "plate,batch,cell_line,time_h\nBR1,b,A549,24\nBR2,b,U2OS,96\nBR3,b,U2OS,48.0\nBR4,b,U2OS,48\n";
    let compounds = "broad_sample,pert_iname,moa,target_list,smiles\nX-1,amlodipine,calcium channel blocker,CA1,C\nX-2,amlodipine,calcium channel blocker,CA1,C\n";
    let folder = Folder::new().with("wells.csv", wells).with("plates.csv", plates).with("compounds.csv", compounds);
    let Loaded { screen, .. } = load(&Source::of([bundled("jump-cpjump1"), folder.path("wells.csv")])).unwrap();
    let shown: Vec<String> = screen.units.by_row().map(|row| row.treatment().to_string()).collect();
    assert_eq!(shown, ["amlodipine [A549, 24 h]", "AURKB (CRISPR) [U2OS, 96 h]", "AURKB (ORF) [U2OS, 48 h]"]);
    let kinds: Vec<Kind> =
        screen.units.by_row().map(|row| row.intervention.as_single().unwrap().perturbation.kind).collect();
    assert_eq!(kinds, [Kind::Compound, Kind::Crispr, Kind::Orf]);
    let dropped: Vec<(&str, usize)> = screen.dropped.iter().map(|d| (d.reason.as_str(), d.rows)).collect();
    let reference = "negative control without values (it is the reference)";
    assert_eq!(dropped, [(reference, 2), ("empty well without values", 1)]);
    assert_eq!(screen.reference(), Reference::Relative);
    assert_eq!(screen.unit(1).role, Role::PositiveControl);
    assert_eq!(screen.label("moa").unwrap().values[0].as_deref(), Some("calcium channel blocker"));
    assert_eq!(screen.unit(0).lab_batch.as_deref(), Some("b"));
}
