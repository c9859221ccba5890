//! The switches: what the platform's pages leave open, one field per question.
//! Both characters are values of [`Behaviour`]; `Q..` and `D..` number the
//! contract's open questions and discrepancies.

/// Which set of answers to the open questions an emulator gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Character {
    /// The convenient answer each time; everything is immediate.
    #[default]
    Friendly,
    /// The worst answer that the pages permit.
    Worst,
}

/// The two JSON forms of an error (D10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"status", "error", "error_description"}`.
    Flat,
    /// `{"error": {"message", "status"}}`.
    Nested,
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestForm {
    /// 24 characters.
    Base64,
    /// 32 digits.
    Hex,
}

/// What a `tempUploadId` without its bytes does to `rawFiles` (Q5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingBytes {
    /// 400 for the call.
    Refuse,
    /// 201, and whatever is there becomes the file.
    StoreWhatIsThere,
}

/// One field per open question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes or no of the contract"
)]
pub struct Behaviour {
    /// Q1: entries that one `tempUploads` or `rawFiles` call may have; more: 400.
    pub max_entries_per_call: usize,
    /// Q2: how long a temp upload's URL works, in milliseconds; then 400.
    pub temp_url_life_ms: i64,
    /// Q3: a refused `rawFiles` call spends the ids it named.
    pub failed_attach_spends_ids: bool,
    /// Q4: a refused `rawFiles` call keeps the files before the culprit.
    pub attach_is_partial: bool,
    /// Q5: temp uploads whose bytes are missing or short.
    pub missing_bytes: MissingBytes,
    /// Q6: the form of `md5Hash` in `rawFiles` answers.
    pub file_md5_form: DigestForm,
    /// Q6: the form of an upload's `hash`.
    pub upload_hash_form: DigestForm,
    /// Q7: files of at least this many bytes that came through a resumable
    /// session have no MD5, as composed objects have none.
    pub null_md5_from_bytes: Option<u64>,
    /// 8.2: temp uploads from this size on are resumable, whatever was asked.
    pub resumable_from_bytes: Option<u64>,
    /// Q8: temp uploads live on the API's own origin and need the token.
    pub storage_on_api_origin: bool,
    /// Q9: the storage refuses a request with an `Authorization` header.
    pub storage_refuses_authorization: bool,
    /// Q10: 308 is sent as 200 with `X-HTTP-Status-Code-Override: 308`.
    pub resume_incomplete_as_200: bool,
    /// Q11: `GET rawFiles` without `format=arrow` answers a JSON list.
    pub json_file_list: bool,
    /// Q12: listings of files that a new one is missing from.
    pub file_listing_lag: u32,
    /// Q13: reads of an upload after which its inserted rows are counted.
    pub num_rows_lag: u32,
    /// Q16: whole numbers above 2^53 are rounded as doubles are.
    pub integers_through_double: bool,
    /// Q18: rows before a refused one stay.
    pub partial_inserts: bool,
    /// Rows that hold this text are refused with 400: a rule of the platform
    /// that no client can know.
    pub refuses_rows_with: Option<String>,
    /// Q19: names of files are checked as relative paths.
    pub strict_file_names: bool,
    /// Q20: a name that is also a folder of another is refused.
    pub refuses_file_folder_clash: bool,
    /// Q23: the status of a creating call that has no documented one.
    pub created_status: u16,
    /// Q25: the largest page.
    pub max_page: usize,
    /// Q26: the status for a name that is taken.
    pub duplicate_status: u16,
    /// Q28: `If-Modified-Since` is compared in whole seconds, so that a change
    /// in the same second is missed.
    pub not_modified_within_second: bool,
    /// Q29: runs of `_` in an escaped name collapse.
    pub collapses_underscores: bool,
    /// Q30: reads for which a deleted upload is still seen.
    pub delete_lag: u32,
    /// D1: a temp upload's name must be unused by other open ones of the table,
    /// and is not echoed.
    pub temp_names_unique: bool,
    /// D3: an upload's numbers are decimal strings.
    pub numbers_as_strings: bool,
    /// D10: the form of errors.
    pub error_shape: ErrorShape,
    /// D13: an upload's `uri` ends in its id, not in its name.
    pub upload_uri_has_id: bool,
    /// D16: the longest description of a table, in characters.
    pub max_description: usize,
    /// D17: `uploadMergeStrategy` has no effect when a table is created.
    pub merge_ignored_at_create: bool,
    /// 2.3: an unrecognised version means the current one.
    pub unknown_version_is_current: bool,
    /// 5.1: a draft table's `numRows` is that of the last release.
    pub draft_num_rows_is_stale: bool,
    /// 5.3: reads of a variable after a change that show it as it was before.
    pub variable_lag: u32,
    /// 5.3: what is said of tables and variables is kept in other words: texts
    /// without blanks around them, none instead of an empty one, value labels in
    /// another order and whole numbers among the values as numbers.
    pub tidies_metadata: bool,
    /// 6.2: reads for which an upload is `queued` or `running`.
    pub import_polls: u32,
    /// 6.5: a fresh `next` lists the uploads that it inherits.
    pub lists_inherited_uploads: bool,
    /// 11: a POST whose client is gone when it is handled is applied only after
    /// this many further requests; 0: at once.
    pub orphan_lag: u32,
}

impl Behaviour {
    /// The answers of a character.
    pub fn of(character: Character) -> Self {
        match character {
            Character::Friendly => Self::friendly(),
            Character::Worst => Self::worst(),
        }
    }

    /// The convenient answers.
    pub fn friendly() -> Self {
        Self {
            max_entries_per_call: 1000,
            temp_url_life_ms: 24 * 60 * 60 * 1000,
            failed_attach_spends_ids: false,
            attach_is_partial: false,
            missing_bytes: MissingBytes::Refuse,
            file_md5_form: DigestForm::Base64,
            upload_hash_form: DigestForm::Hex,
            null_md5_from_bytes: None,
            resumable_from_bytes: None,
            storage_on_api_origin: false,
            storage_refuses_authorization: false,
            resume_incomplete_as_200: false,
            json_file_list: true,
            file_listing_lag: 0,
            num_rows_lag: 0,
            integers_through_double: false,
            partial_inserts: false,
            refuses_rows_with: None,
            strict_file_names: false,
            refuses_file_folder_clash: false,
            created_status: 201,
            max_page: 1000,
            duplicate_status: 400,
            not_modified_within_second: false,
            collapses_underscores: true,
            delete_lag: 0,
            temp_names_unique: false,
            numbers_as_strings: false,
            error_shape: ErrorShape::Flat,
            upload_uri_has_id: false,
            max_description: 5000,
            merge_ignored_at_create: false,
            unknown_version_is_current: false,
            draft_num_rows_is_stale: false,
            variable_lag: 0,
            tidies_metadata: false,
            import_polls: 0,
            lists_inherited_uploads: true,
            orphan_lag: 0,
        }
    }

    /// The worst answers permitted. Q8 to Q10 stay friendly: the official
    /// client depends on them, so the platform cannot answer otherwise.
    pub fn worst() -> Self {
        Self {
            max_entries_per_call: 500,
            temp_url_life_ms: 60 * 60 * 1000,
            failed_attach_spends_ids: true,
            attach_is_partial: true,
            missing_bytes: MissingBytes::StoreWhatIsThere,
            file_md5_form: DigestForm::Hex,
            upload_hash_form: DigestForm::Base64,
            null_md5_from_bytes: Some(8 << 20),
            json_file_list: false,
            file_listing_lag: 2,
            num_rows_lag: 2,
            integers_through_double: true,
            partial_inserts: true,
            strict_file_names: true,
            refuses_file_folder_clash: true,
            created_status: 200,
            max_page: 100,
            duplicate_status: 409,
            not_modified_within_second: true,
            collapses_underscores: false,
            delete_lag: 2,
            temp_names_unique: true,
            numbers_as_strings: true,
            error_shape: ErrorShape::Nested,
            upload_uri_has_id: true,
            max_description: 2000,
            merge_ignored_at_create: true,
            unknown_version_is_current: true,
            draft_num_rows_is_stale: true,
            variable_lag: 2,
            tidies_metadata: true,
            import_polls: 3,
            lists_inherited_uploads: false,
            orphan_lag: 3,
            ..Self::friendly()
        }
    }
}
