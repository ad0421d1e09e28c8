// biome-ignore-all format: one word to a line would make this a page of nothing.

/** The vocabulary of the sample: names, places and sentences of many scripts. */

export const GIVEN_NAMES = [
  'Anna', 'Jürgen', 'Zoë', 'Łukasz', 'Ngozi', 'José', 'Siobhán', 'İbrahim', '美咲', '伟', '지우', 'Μαρία',
  'Дмитрий', 'عائشة', 'נועה', 'Priya', 'Björk', 'Thảo', 'Emma', 'Noah', 'Olivia', 'Liam', 'Mateo', 'Chloé',
] as const

export const FAMILY_NAMES = [
  'Müller', 'Nowak', 'O’Brien', "D'Angelo", 'García', 'Øster', 'Yılmaz', '山田', '王', '김', 'Παπαδάκη', 'Иванова',
  'الهاشمي', 'כהן', 'Sharma', 'Nguyễn', 'Smith', 'van der Berg', 'Sæther', 'Čapek', 'Dubois', 'Okafor',
] as const

/** City, country, first two digits of the postcode. */
export const CITIES = [
  ['Berlin', 'DE', '10'], ['Köln', 'DE', '50'], ['Łódź', 'PL', '90'], ['São Paulo', 'BR', '01'], ['東京', 'JP', '10'],
  ['Αθήνα', 'GR', '10'], ['Москва', 'RU', '10'], ['القاهرة', 'EG', '11'], ['תל אביב', 'IL', '61'], ['서울', 'KR', '04'],
  ['Zürich', 'CH', '80'], ['Kraków', 'PL', '30'], ['Reykjavík', 'IS', '10'], ['Wien', 'AT', '10'], ['Lyon', 'FR', '69'],
] as const

export const STREETS = [
  'Hauptstraße', 'Rue de l’Église', 'Calle Mayor', 'High Street', 'ul. Długa', 'Bahnhofstrasse', 'Via Roma', '桜通り',
  'Οδός Ερμού', 'Storgata',
] as const

export const ADJECTIVES = [
  'Blue', 'Oak', 'Folding', 'Quiet', 'Waterproof', 'Hand-made', 'Recycled', 'Nordic', 'Mini', 'Heavy', 'Soft', 'Crème',
] as const

export const THINGS = [
  'chair', 'lamp', 'kettle', 'tent', 'notebook', 'rucksack', 'Fön', 'teapot', 'bicycle bell', 'umbrella', 'piñata',
  'headphones', 'cutting board', 'clock', '茶碗', 'jalapeño mill',
] as const

/** Pieces of reviews and notes; joined with spaces they give text of every plane and direction. */
export const PHRASES = [
  'arrived on time', 'würde ich wieder kaufen', 'très déçu', 'とても良い', '质量很好', '아주 좋아요', 'отлично',
  'ممتاز جدا', 'מוצר נהדר', 'λίγο ακριβό', '👍🏽', '👩‍👩‍👧‍👦 love it', '🇯🇵', 'looks smaller than in the picture',
  'said "unbreakable"; it broke', "the colour isn't right", '10/10', 'päckchen stand im Regen', 'tab\there',
  'first line\nsecond line', 'C:\\Users\\shop', 'nothing to add', 'please leave it with the neighbour', '½ price',
] as const

export const DELIVERY_NOTES = [
  'ring twice', 'leave at the door', 'Geschenk 🎁', 'call before delivery', 'c/o Dubois', 'bitte nicht knicken',
  '宅配ボックス', 'two\nlines', 'back\\slash', 'fragile',
] as const
