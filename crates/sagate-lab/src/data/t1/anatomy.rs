//! Which labels of the two atlases are deep grey nuclei.

/// The regions of the AAL atlas that make up the class "deep grey nuclei", in both hemispheres, with the label each has
/// in `aal.nii.gz`; names and numbers are those of `aal.nii.txt` beside it.
pub const AAL_NUCLEI: [(&str, u8); 8] = [
    ("Caudate_L", 71),
    ("Caudate_R", 72),
    ("Putamen_L", 73),
    ("Putamen_R", 74),
    ("Pallidum_L", 75),
    ("Pallidum_R", 76),
    ("Thalamus_L", 77),
    ("Thalamus_R", 78),
];

/// The regions of the INIA19 NeuroMaps atlas that correspond to them in the macaque's left hemisphere
/// (the atlas names the nuclei of the thalamus and the laminae within thalamus and pallidum one by one). Names (without
/// their `l_`) and numbers are those of the list that `inia19-NeuroMaps.nii.gz` carries between its header and its
/// voxels; the right hemisphere has the same names with `r_`, and the numbers plus [`NEUROMAPS_RIGHT`].
pub const NEUROMAPS_NUCLEI: [(&str, u16); 32] = [
    ("caudate_nucleus", 82),
    ("putamen", 98),
    ("lateral_globus_pallidus", 162),
    ("inner_portion_of_the_medial_globus_pallidus", 489),
    ("outer_portion_of_the_medial_globus_pallidus", 490),
    ("medial_medullary_lamina", 168),
    ("lateral_medullary_lamina", 161),
    ("thalamus", 497),
    ("external_medullary_lamina", 87),
    ("internal_medullary_lamina", 134),
    ("medial_pulvinar_nucleus", 92),
    ("inferior_pulvinar_nucleus", 95),
    ("lateral_pulvinar_nucleus", 96),
    ("oral_pulvinar_nucleus", 137),
    ("reticular_nucleus_of_the_thalamus", 101),
    ("medial_dorsal_nucleus", 325),
    ("lateral_dorsal_nucleus", 136),
    ("anteroventral_nucleus_of_the_thalamus", 165),
    ("anteromedial_nucleus_of_the_thalamus", 177),
    ("anterodorsal_nucleus_of_the_thalamus", 178),
    ("mammillothalamic_tract_of_the_thalamus", 183),
    ("medial_part_of_the_ventral_lateral_nucleus", 186),
    ("ventral_anterior_nucleus", 499),
    ("ventral_posteroinferior_nucleus", 285),
    ("principal_part_of_the_ventral_posteromedial_nucleus", 323),
    ("parvicellular_part_of_the_ventral_posteromedial_nucleus", 324),
    ("centromedian_nucleus", 326),
    ("parafascicular_nucleus", 321),
    ("subparafascicular_nucleus", 328),
    ("reuniens_nucleus", 273),
    ("lateral_habenular_nucleus", 122),
    ("medial_habenular_nucleus", 123),
];

/// What the right hemisphere's labels have more than the left's.
pub const NEUROMAPS_RIGHT: u16 = 1000;

/// Whether a voxel of `aal.nii.gz` belongs to the deep grey nuclei.
pub(super) fn is_aal_nucleus(label: f32) -> bool {
    AAL_NUCLEI.iter().any(|(_, id)| label == f32::from(*id))
}

/// Whether a voxel of `inia19-NeuroMaps.nii.gz` belongs to the deep grey nuclei.
pub(super) fn is_neuromaps_nucleus(label: f32) -> bool {
    NEUROMAPS_NUCLEI
        .iter()
        .any(|(_, id)| label == f32::from(*id) || label == f32::from(*id + NEUROMAPS_RIGHT))
}
