/** Every limit of receivers, with the reason for its value. */

/** No answer by then: the attempt is given up. Services answer within seconds, and the next attempt of a group waits for this one. */
export const ANSWER_WITHIN_MS = 15_000;
/** A mail server may look an address up, and scan the mail, before it answers; RFC 5321, 4.5.3.2, would allow minutes. */
export const MAIL_WITHIN_MS = 30_000;
/** A command is killed then: the next one waits for it. */
export const COMMAND_WITHIN_MS = 30_000;

/** A receiver may ask to wait, but for no longer: an alert that comes hours late is of no use. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** Of a label's or an annotation's value. What is longer is for no reader, and is cut. */
export const MAX_LABEL_LENGTH = 1024;
export const MAX_ANNOTATION_LENGTH = 4096;

/** Alerts that a message for people lists one by one. */
export const MAX_LISTED_ALERTS = 10;
/** Of one field of a message for people: summary, description. */
export const MAX_FIELD_LENGTH = 500;
export const MAX_TITLE_LENGTH = 200;

/** Of a body for a webhook or a command. Receivers commonly take some MB; what does not fit is counted in `truncatedAlerts`. */
export const MAX_PAYLOAD_BYTES = 4 * 1_048_576;
/** PagerDuty refuses events of more than 512 KB; this leaves room for what stands around the alerts. */
export const MAX_PAGERDUTY_BYTES = 500 * 1000;
/** PagerDuty refuses longer summaries. */
export const MAX_PAGERDUTY_SUMMARY = 1024;
/** Slack shows longer texts only after a click, and cuts them at 40,000 characters; compatible programs take 16,000 and less. */
export const MAX_SLACK_TEXT = 4000;
/** Discord refuses longer ones: https://discord.com/developers/docs/resources/message#embed-object-embed-limits */
export const MAX_DISCORD_TITLE = 256;
export const MAX_DISCORD_DESCRIPTION = 4096;
/** ntfy turns longer messages into attached files. */
export const MAX_NTFY_MESSAGE_BYTES = 4000;
/** Of a mail's text. */
export const MAX_MAIL_TEXT = 100_000;

/** The rest of its output after a command has ended; only a process that left its group can hold it open longer. */
export const OUTPUT_WITHIN_MS = 1000;
/** Of what a command prints: kept, and shown in the log. The rest is read and dropped, so that the command is not held up. */
export const MAX_COMMAND_OUTPUT_BYTES = 16_384;
export const MAX_SHOWN_OUTPUT = 1000;

/** Alerts that one notification writes to the log one by one; the others are counted. */
export const MAX_LOGGED_ALERTS = 20;

/**
 * An Alertmanager resolves an alert that it has not heard of for this long. It is told every minute: four times may be missed, and the
 * clocks may differ a little.
 */
export const ENDS_AFTER_MS = 5 * 60_000;

/** Mails that some recipients have and others are still to get. */
export const MAX_PARTLY_DELIVERED = 1000;
