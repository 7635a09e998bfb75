/**
 * Writes src/store/bodies/dictionary-1.ts, the dictionary that packed event bodies are compressed with. Deflate looks
 * for its words here, and near ones cost less, so what is common stands at the end. A released dictionary is never
 * changed: a better one is number 2, with a packed format of its own.
 *
 *     node --import ./build/text-imports.mjs scripts/build-dictionary.ts
 */
import { writeFileSync } from 'node:fs';
import { canonicalJson } from '../src/protocol/canonical-json.ts';

/** Everyday words of chats, most common last. */
const words =
  'über nicht schon einmal bitte danke heute morgen gestern vielleicht wieder immer auch eine einen haben werden kann' +
  ' können machen ist das und die der ich wir aber noch mit auf für pour avec dans merci bonjour oui mais est que les' +
  ' des une gracias hola para como está pero message server client version update problem question answer working' +
  ' looks like there something anything everything someone people really pretty maybe probably actually because' +
  ' though although without between another different morning tonight tomorrow yesterday weekend thanks thank sorry' +
  ' please sounds great should could would might before after again still never always already only other which where' +
  ' while their them they these those this that what when with from have here just know think want need make time' +
  ' good right going about your into some more than then well will been were was are not but can did don’t' +
  ' it’s I’m you and the for is it in of to a ! ? https://github.com/ https://www.youtube.com/watch?v= .com/ ';

const mxc = 'mxc://matrix.org/';
const image = { h: 1080, mimetype: 'image/jpeg', size: 1, w: 1920 };
const file = {
  hashes: { sha256: '' },
  iv: '',
  key: { alg: 'A256CTR', ext: true, k: '', key_ops: ['encrypt', 'decrypt'], kty: 'oct' },
  url: mxc,
  v: 'v2',
};

/** The shapes of what clients send, rarest first. */
const contents: readonly unknown[] = [
  { allow: ['*'], allow_ip_literals: false, deny: [] },
  { creatorUserId: '', data: {}, id: '', name: '', type: 'm.custom', url: 'https://', avatar_url: mxc },
  { body: 'This room has been replaced', replacement_room: '!' },
  { display_name: '', key_validity_url: 'https://', public_key: '', public_keys: [{ key_validity_url: 'https://' }] },
  { entity: '', reason: '', recommendation: 'm.ban' },
  { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: 604800000, rotation_period_msgs: 100 },
  { additional_creators: [], creator: '@', 'm.federate': true, predecessor: { event_id: '$', room_id: '!' } },
  { creator: '@', room_version: '11', type: 'm.space' },
  { canonical: true, order: '', suggested: false, via: ['matrix.org'] },
  { pinned: ['$'] },
  { alias: '#', alt_aliases: ['#'] },
  { guest_access: 'can_join' },
  { history_visibility: 'shared' },
  { history_visibility: 'world_readable' },
  { history_visibility: 'invited' },
  { allow: [{ room_id: '!', type: 'm.room_membership' }], join_rule: 'restricted' },
  { join_rule: 'public' },
  { join_rule: 'invite' },
  { 'm.topic': { 'm.text': [{ body: '', mimetype: 'text/plain' }] }, topic: '' },
  { name: '' },
  {
    ban: 50,
    events: {
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.encryption': 100,
      'm.room.history_visibility': 100,
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': 100,
      'org.matrix.msc3401.call.member': 0,
    },
    events_default: 0,
    historical: 100,
    invite: 0,
    kick: 50,
    notifications: { room: 50 },
    redact: 50,
    state_default: 50,
    users: { '@': 100 },
    users_default: 0,
  },
  {
    application: 'm.call',
    call_id: '',
    device_id: '',
    expires: 14400000,
    foci_preferred: [{ livekit_alias: '!', livekit_service_url: 'https://livekit', type: 'livekit' }],
    focus_active: { focus_selection: 'oldest_membership', type: 'livekit' },
    'm.call.intent': 'video',
    scope: 'm.room',
  },
  { call_id: '', candidates: [], lifetime: 60000, offer: { sdp: '', type: 'offer' }, party_id: '', version: '1' },
  {
    'org.matrix.msc1767.text': '',
    'org.matrix.msc3381.poll.start': {
      answers: [{ id: '', 'org.matrix.msc1767.text': '' }],
      kind: 'org.matrix.msc3381.poll.disclosed',
      max_selections: 1,
      question: { body: '', msgtype: 'm.text', 'org.matrix.msc1767.text': '' },
    },
  },
  { 'm.relates_to': { event_id: '$', rel_type: 'm.reference' }, 'org.matrix.msc3381.poll.response': { answers: [''] } },
  { body: '', geo_uri: 'geo:', 'm.asset': { type: 'm.self' }, 'm.location': { uri: 'geo:' }, msgtype: 'm.location' },
  { displayname: '', membership: 'invite', third_party_invite: { display_name: '', signed: { mxid: '@', token: '' } } },
  { join_authorised_via_users_server: '@', membership: 'join' },
  { membership: 'ban', reason: '' },
  { membership: 'knock', reason: '' },
  { reason: 'Spam', redacts: '$' },
  { body: 'audio.ogg', file, info: { duration: 1, mimetype: 'audio/ogg', size: 1 }, msgtype: 'm.audio' },
  { body: 'Voice message', 'org.matrix.msc1767.audio': { duration: 1, waveform: [0] }, 'org.matrix.msc3245.voice': {} },
  { body: 'video.mp4', info: { ...image, duration: 1, mimetype: 'video/mp4' }, msgtype: 'm.video', url: mxc },
  { body: 'document.pdf', info: { mimetype: 'application/pdf', size: 1 }, msgtype: 'm.file', url: mxc },
  { body: 'image.png', info: { h: 1, mimetype: 'image/png', size: 1, w: 1 }, msgtype: 'm.image', url: mxc },
  {
    body: 'IMG_2025.jpg',
    file,
    filename: 'IMG_2025.jpg',
    info: {
      ...image,
      'org.matrix.msc4230.is_animated': false,
      thumbnail_file: file,
      thumbnail_info: { h: 600, mimetype: 'image/jpeg', size: 1, w: 800 },
      thumbnail_url: mxc,
      'xyz.amorgan.blurhash': 'L',
    },
    'm.mentions': {},
    msgtype: 'm.image',
    url: mxc,
  },
  {
    algorithm: 'm.megolm.v1.aes-sha2',
    ciphertext: 'AwgAEoABAwgBEnAwgCErAD',
    device_id: '',
    'm.relates_to': { event_id: '$', rel_type: 'm.annotation' },
    sender_key: '',
    session_id: '',
  },
  { body: '', 'm.mentions': {}, msgtype: 'm.emote' },
  { body: '', format: 'org.matrix.custom.html', formatted_body: '', 'm.mentions': {}, msgtype: 'm.notice' },
  { displayname: '', membership: 'leave' },
  { displayname: '', is_direct: true, membership: 'invite' },
  { avatar_url: mxc, displayname: '', membership: 'join' },
  { avatar_url: null, displayname: '', membership: 'join' },
  { 'm.relates_to': { event_id: '$', key: '❤️', rel_type: 'm.annotation' } },
  { 'm.relates_to': { event_id: '$', key: '👍️', rel_type: 'm.annotation' } },
  {
    body: ' * ',
    format: 'org.matrix.custom.html',
    formatted_body: '<p><ul><li><strong><em></li><blockquote></blockquote><pre><code class="language-"></code></p>',
    'm.mentions': {},
    'm.new_content': { body: '', 'm.mentions': {}, msgtype: 'm.text' },
    'm.relates_to': { event_id: '$', rel_type: 'm.replace' },
    msgtype: 'm.text',
  },
  {
    body: '',
    format: 'org.matrix.custom.html',
    formatted_body: '<a href="https://matrix.to/#/@:matrix.org"></a><br />',
    'm.mentions': { user_ids: ['@:matrix.org'] },
    'm.relates_to': {
      event_id: '$',
      is_falling_back: true,
      'm.in_reply_to': { event_id: '$' },
      rel_type: 'm.thread',
    },
    msgtype: 'm.text',
  },
  { body: '', 'm.mentions': {}, 'm.relates_to': { 'm.in_reply_to': { event_id: '$' } }, msgtype: 'm.text' },
  { body: '', msgtype: 'm.text' },
  { body: '', 'm.mentions': {}, msgtype: 'm.text' },
];

const text = words + contents.map((content) => canonicalJson(content)).join('');
const lines = text.match(/.{1,100}/gsu) ?? [];
const target = new URL('../src/store/bodies/dictionary-1.ts', import.meta.url);
const quote = (line: string) => `  '${line.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}',`;

writeFileSync(
  target,
  `/**
 * Dictionary 1 of packed bodies, written by scripts/build-dictionary.ts. Never changed once released: what was
 * compressed with it could not be read again.
 */
export const dictionary1: Buffer = Buffer.from(
  [
${lines.map((line) => `  ${quote(line)}`).join('\n')}
  ].join(''),
);
`,
);
console.log(`${Buffer.byteLength(text)} bytes`);
